// SPDX-License-Identifier: Apache-2.0
import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { StudyFilters } from './filters';

const modalities = ['', 'CT', 'MR', 'PT', 'US', 'CR', 'DX', 'MG', 'NM', 'XA', 'OT', 'SEG', 'SR'];

interface Props {
  filters: StudyFilters;
  onChange: (filters: StudyFilters) => void;
}

export function StudyFilterBar({ filters, onChange }: Props) {
  const { t } = useTranslation();
  const [draft, setDraft] = useState(filters);
  const tell = useDebouncedCallback(onChange, 300);
  const set = (name: keyof StudyFilters) => (event: { currentTarget: { value: string } }) => {
    const next = { ...draft, [name]: event.currentTarget.value || undefined };
    setDraft(next);
    tell(next);
  };
  const field = (name: 'patient' | 'id' | 'accession' | 'description') => (
    <TextInput
      size="xs"
      label={t(`studies.filter.${name}`)}
      value={draft[name] ?? ''}
      onChange={set(name)}
      data-testid={`filter-${name}`}
    />
  );

  return (
    <Group component="search" align="end" gap="xs" aria-label={t('studies.filter.label')}>
      {field('patient')}
      {field('id')}
      {field('accession')}
      {field('description')}
      <NativeSelect
        size="xs"
        label={t('studies.filter.modality')}
        data={modalities.map((value) => ({ value, label: value || t('studies.filter.any') }))}
        value={draft.modality ?? ''}
        onChange={set('modality')}
      />
      <TextInput
        size="xs"
        type="date"
        label={t('studies.filter.from')}
        value={draft.from ?? ''}
        onChange={set('from')}
      />
      <TextInput
        size="xs"
        type="date"
        label={t('studies.filter.until')}
        value={draft.until ?? ''}
        onChange={set('until')}
      />
      <Button
        size="xs"
        variant="default"
        onClick={() => {
          setDraft({});
          onChange({});
        }}
      >
        {t('studies.filter.clear')}
      </Button>
    </Group>
  );
}
