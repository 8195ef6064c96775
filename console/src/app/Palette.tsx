// SPDX-License-Identifier: Apache-2.0
// Ctrl+K: go anywhere and do anything by typing.
import { Modal, Text, TextInput, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { renewClientId } from '../api/client-id';
import { search } from '../dicomweb/client';
import { text } from '../dicomweb/model';
import { languages } from '../i18n';
import { wordsOf } from '../run/schema';
import { useAlgorithms } from '../run/useAlgorithms';
import classes from './Palette.module.css';

interface Command {
  id: string;
  label: string;
  run: () => void;
}

interface Props {
  isOpen: boolean;
  onClose: () => void;
  onHelp: () => void;
  onClient: () => void;
}

const LETTERS_TO_SEARCH = 2;

function useCommands(isOpen: boolean, onHelp: () => void, onClient: () => void): Command[] {
  const { t, i18n } = useTranslation();
  const { data: algorithms } = useAlgorithms(isOpen);
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme();
  const pages = [
    ['/', 'nav.studies'],
    ['/upload', 'nav.upload'],
    ['/run', 'nav.run'],
    ['/jobs', 'nav.jobs'],
    ['/operations', 'nav.operations'],
  ] as const;

  return [
    ...pages.map(([to, label]) => ({
      id: to,
      label: t('palette.go', { page: t(label) }),
      run: () => void navigate({ to }),
    })),
    ...(algorithms?.items ?? []).map((algorithm) => ({
      id: `run ${algorithm.id}`,
      label: t('palette.run', { algorithm: wordsOf(algorithm, i18n.language).title, id: algorithm.id }),
      run: () => void navigate({ to: '/run', search: { algorithm: algorithm.id } }),
    })),
    ...(['queued', 'running', 'failed'] as const).map((state) => ({
      id: `jobs ${state}`,
      label: t('palette.jobs', { state: t(`jobs.state.${state}`) }),
      run: () => void navigate({ to: '/jobs', search: { state } }),
    })),
    ...(['dark', 'light'] as const).map((scheme) => ({
      id: scheme,
      label: t(`palette.${scheme}`),
      run: () => setColorScheme(scheme),
    })),
    ...languages.map((language) => ({
      id: language,
      label: t('palette.language', { language }),
      run: () => void i18n.changeLanguage(language),
    })),
    { id: 'client', label: t('keys.action.client'), run: onClient },
    { id: 'renew', label: t('palette.renew'), run: () => void renewClientId() },
    { id: 'help', label: t('keys.title'), run: onHelp },
  ];
}

/** Studies of patients whose name fits what is typed. */
function useFound(word: string): Command[] {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { data } = useQuery({
    queryKey: ['dicomweb', 'palette', word],
    queryFn: ({ signal }) => search('studies', { PatientName: `*${word}*`, limit: 5 }, signal),
    enabled: word.length >= LETTERS_TO_SEARCH,
  });

  return (data?.items ?? []).map((study) => {
    const uid = text(study, 'StudyInstanceUID');
    return {
      id: uid,
      label: [text(study, 'PatientName') || t('studies.unnamed'), text(study, 'StudyDescription')]
        .filter(Boolean)
        .join(' · '),
      run: () => void navigate({ to: '/studies/$study', params: { study: uid } }),
    };
  });
}

export function Palette({ isOpen, onClose, onHelp, onClient }: Props) {
  const { t } = useTranslation();
  const [word, setWord] = useState('');
  const [chosen, setChosen] = useState(0);
  const list = useId();
  const needle = word.trim().toLowerCase();
  const commands = useCommands(isOpen, onHelp, onClient).filter((command) =>
    command.label.toLowerCase().includes(needle),
  );
  const all = [...commands, ...useFound(word.trim())];
  const close = () => {
    setWord('');
    setChosen(0);
    onClose();
  };
  const take = (command: Command | undefined) => {
    if (!command) return;
    close();
    command.run();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && all.length > 0) {
      event.preventDefault();
      setChosen((chosen + step + all.length) % all.length);
    } else if (event.key === 'Enter') {
      take(all[chosen]);
    }
  };

  return (
    <Modal
      opened={isOpen}
      onClose={close}
      withCloseButton={false}
      transitionProps={{ duration: 0 }}
      title={t('keys.action.palette')}
      padding="xs"
    >
      <TextInput
        role="combobox"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={all[chosen] ? `${list}-${chosen}` : undefined}
        aria-label={t('palette.type')}
        placeholder={t('palette.type')}
        value={word}
        onChange={(event) => {
          setWord(event.currentTarget.value);
          setChosen(0);
        }}
        onKeyDown={onKeyDown}
        data-autofocus
      />
      <div role="listbox" id={list} aria-label={t('keys.action.palette')} className={classes.list}>
        {all.map((command, index) => (
          <div
            key={command.id}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            className={classes.option}
            onMouseEnter={() => setChosen(index)}
            onClick={() => take(command)}
            onKeyDown={onKeyDown}
          >
            {command.label}
          </div>
        ))}
      </div>
      {all.length === 0 ? <Text c="dimmed">{t('palette.nothing')}</Text> : null}
    </Modal>
  );
}
