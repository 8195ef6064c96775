// SPDX-License-Identifier: Apache-2.0
// Choose an algorithm, what it works on, its parameters; run it.
import {
  Alert,
  Button,
  Checkbox,
  Group,
  Loader,
  SegmentedControl,
  Select,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ensureClientId } from '../api/client-id';
import { ApiError, sendJson } from '../api/http';
import type { Accepted, Algorithm, Job, Pacs } from '../api/schema';
import { useKeys } from '../app/keys';
import { SchemaForm } from './SchemaForm';
import { changed, defaults, fieldOfPointer, type Params, type ParamsSchema, problems, wordsOf } from './schema';
import { useAlgorithms } from './useAlgorithms';

type Scope = NonNullable<Pacs['scope']>;

export interface RunTarget {
  study: string;
  series: string;
  image: string;
  scope: Scope;
}

interface Props {
  target: RunTarget;
  algorithm?: string;
  /** A run to begin from: its values are taken, and what is changed of them is marked. */
  earlier?: Job;
  onAccepted: (jobId: string) => void;
}

const reference = { study: 'study_id', series: 'series_id', image: 'image_id' } as const;

export function RunForm({ target: given, algorithm: wanted, earlier, onAccepted }: Props) {
  const { t, i18n } = useTranslation();
  const { data, error } = useAlgorithms();
  const [id, setId] = useState(earlier?.algo_id ?? wanted ?? null);

  if (error) return <Alert color="red">{error.message}</Alert>;
  if (!data) return <Loader aria-label={t('app.loading')} />;
  const chosen = data.items.find((item) => item.id === id) ?? data.items[0];
  return (
    <Stack gap="sm">
      <Select
        size="xs"
        label={t('run.algorithm')}
        data={data.items.map((item) => ({
          value: item.id,
          label: `${wordsOf(item, i18n.language).title} (${item.id})`,
        }))}
        searchable
        nothingFoundMessage={t('run.noAlgorithm')}
        value={chosen?.id ?? null}
        onChange={setId}
        allowDeselect={false}
        data-testid="algorithm"
      />
      {chosen ? (
        <AlgorithmForm
          key={chosen.id}
          algorithm={chosen}
          target={given}
          earlier={chosen.id === earlier?.algo_id ? earlier : undefined}
          onAccepted={onAccepted}
        />
      ) : null}
    </Stack>
  );
}

/** What is made by default, and the Segmentation, which the console draws. */
function firstOutputs({ outputs, default_outputs }: Algorithm): string[] {
  return outputs.filter((role) => role === 'segmentation' || (default_outputs ?? ['overlay']).includes(role));
}

interface AlgorithmFormProps {
  algorithm: Algorithm;
  target: RunTarget;
  earlier?: Job;
  onAccepted: (jobId: string) => void;
}

const outputsOf = (job: Job | undefined): string[] | undefined =>
  (job?.request as { outputs?: string[] } | undefined)?.outputs;

function AlgorithmForm({ algorithm, target: given, earlier, onAccepted }: AlgorithmFormProps) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const schema = algorithm.params_schema as ParamsSchema;
  const scopes = algorithm.scopes as Scope[];
  const [target, setTarget] = useState({
    ...given,
    scope: scopes.includes(given.scope) ? given.scope : (scopes[0] ?? 'image'),
  });
  const [params, setParams] = useState<Params>({ ...defaults(schema), ...earlier?.params });
  const [outputs, setOutputs] = useState(() => outputsOf(earlier) ?? firstOutputs(algorithm));
  const wrong = problems(schema, params);
  const run = useMutation({
    mutationFn: async () => {
      const pacs: Pacs = { study_id: target.study, series_id: target.series, scope: target.scope };
      if (target.scope === 'image') pacs.image_id = target.image;
      return sendJson<Accepted>('POST', `/process/${encodeURIComponent(algorithm.id)}`, {
        client_id: await ensureClientId(),
        pacs,
        params: changed(schema, params),
        outputs,
        ...(earlier ? { rerun_of: earlier.job_id } : {}),
      });
    },
    onSuccess: (accepted) => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      onAccepted(accepted.job_id);
    },
  });
  const refusal = run.error instanceof ApiError ? run.error : null;
  const refusedField = fieldOfPointer(refusal?.pointer);
  const refusedTarget = /^\/pacs\/(study|series|image)_id$/.exec(refusal?.pointer ?? '')?.[1];
  const errors = Object.fromEntries(
    Object.entries(wrong).map(([name, { kind, bound }]) => [name, t(`run.fault.${kind}`, { bound })]),
  );
  if (refusedField && refusal) errors[refusedField] = refusal.message;
  const form = useRef<HTMLFormElement>(null);
  useKeys('run', { start: () => form.current?.requestSubmit() });
  const start = () => {
    if (Object.keys(wrong).length === 0) run.mutate();
  };

  return (
    <form
      ref={form}
      aria-label={t('run.title')}
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
      onChange={() => {
        if (run.isError) run.reset(); // what was refused is not what stands there now
      }}
    >
      <Stack gap="sm">
        <Text size="sm">{wordsOf(algorithm, i18n.language).description}</Text>
        {earlier && earlier.algo_version !== algorithm.version ? (
          <Alert color="yellow">
            {t('run.otherVersion', { before: earlier.algo_version, now: algorithm.version })}
          </Alert>
        ) : null}
        <SegmentedControl
          size="xs"
          aria-label={t('run.scope')}
          data={scopes.map((scope) => ({ value: scope, label: t(`run.scopes.${scope}`) }))}
          value={target.scope}
          onChange={(scope) => setTarget({ ...target, scope: scope as Scope })}
        />
        {(['study', 'series', 'image'] as const).map((name) =>
          name === 'image' && target.scope !== 'image' ? null : (
            <TextInput
              key={name}
              size="xs"
              label={reference[name]}
              description={t('run.idHint')}
              value={target[name]}
              onChange={(event) => setTarget({ ...target, [name]: event.currentTarget.value })}
              error={refusedTarget === name ? refusal?.message : undefined}
              required
              data-testid={`target-${name}`}
            />
          ),
        )}
        <SchemaForm
          schema={schema}
          value={params}
          earlier={earlier && { ...defaults(schema), ...earlier.params }}
          errors={errors}
          onChange={setParams}
        />
        <Checkbox.Group label={t('run.outputs')} size="xs" value={outputs} onChange={setOutputs}>
          <Group gap="sm" mt={4}>
            {algorithm.outputs
              .filter((role) => role !== 'measurements')
              .map((role) => (
                <Checkbox
                  key={role}
                  size="xs"
                  value={role}
                  label={t(`jobs.role.${role}`, { defaultValue: role })}
                  disabled={outputs.length === 1 && outputs[0] === role}
                />
              ))}
          </Group>
        </Checkbox.Group>
        {run.error && !refusedField && !refusedTarget ? (
          <Alert color="red" title={t('run.refused')}>
            {run.error.message}
          </Alert>
        ) : null}
        <Group>
          <Button type="submit" loading={run.isPending} disabled={Object.keys(wrong).length > 0} data-testid="run">
            {t('run.start')}
          </Button>
          <Button variant="default" onClick={() => setParams(defaults(schema))}>
            {t('run.defaults')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
