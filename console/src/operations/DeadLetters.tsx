// SPDX-License-Identifier: Apache-2.0
import { Alert, Anchor, Button, Checkbox, Group, Stack, Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Redriven } from '../api/schema';
import { useDeadLetters, useRedrive } from './useSystem';

const SHOWN = 20;

/** What could not be worked on, why, and a way to try again. */
export function DeadLetters({ queue }: { queue: string }) {
  const { t, i18n } = useTranslation();
  const { data, error } = useDeadLetters(queue);
  const redrive = useRedrive(queue);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const moment = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'short', timeStyle: 'medium' });
  const toggle = (id: string) => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  };
  const send = (ids: string[] | 'all') => {
    redrive.mutate(ids);
    setChosen(new Set());
  };

  if (error) return <Alert color="red">{error.message}</Alert>;
  return (
    <Stack gap="xs" mt="sm">
      <Group>
        <Button size="compact-sm" disabled={chosen.size === 0} onClick={() => send([...chosen])}>
          {t('operations.redrive')}
        </Button>
        <Button size="compact-sm" variant="default" disabled={!data?.dead.length} onClick={() => send('all')}>
          {t('operations.redriveAll')}
        </Button>
      </Group>
      {redrive.data ? <Made redriven={redrive.data} /> : null}
      {redrive.error ? <Alert color="red">{redrive.error.message}</Alert> : null}
      {data?.dead.length === 0 ? <Text size="sm">{t('operations.noDead')}</Text> : null}
      <Table aria-label={t('operations.deadOf', { queue })} data-testid="dead-letters">
        <Table.Thead hidden={data?.dead.length === 0}>
          <Table.Tr>
            <Table.Th>{t('operations.letter.choose')}</Table.Th>
            <Table.Th>{t('operations.letter.job')}</Table.Th>
            <Table.Th>{t('operations.letter.reason')}</Table.Th>
            <Table.Th>{t('operations.letter.attempts')}</Table.Th>
            <Table.Th>{t('operations.letter.died')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data?.dead.map((letter) => (
            <Table.Tr key={letter.id}>
              <Table.Td>
                <Checkbox
                  aria-label={t('operations.choose', { id: letter.id })}
                  checked={chosen.has(letter.id)}
                  onChange={() => toggle(letter.id)}
                />
              </Table.Td>
              <Table.Td>
                {letter.job_id ? (
                  <Link to="/jobs/$job" params={{ job: letter.job_id }}>
                    {letter.job_id}
                  </Link>
                ) : null}
              </Table.Td>
              <Table.Td>{letter.reason}</Table.Td>
              <Table.Td>{letter.attempts}</Table.Td>
              <Table.Td>{letter.dead_at ? moment.format(new Date(letter.dead_at)) : ''}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

/** The jobs that a redrive made, and what it left where it was, with the reason. */
function Made({ redriven }: { redriven: Redriven }) {
  const { t } = useTranslation();

  return (
    <Alert color="teal" data-testid="redriven">
      <Group gap="md">
        <Text size="sm">{t('operations.redriven', { count: redriven.jobs.length })}</Text>
        {redriven.jobs.slice(0, SHOWN).map((job) => (
          <Anchor component={Link} to={`/jobs/${encodeURIComponent(job.job_id)}`} size="sm" key={job.job_id}>
            {t('operations.retryOf', { job: job.retry_of })}
          </Anchor>
        ))}
      </Group>
      {redriven.skipped?.map((letter) => (
        <Text size="sm" key={letter.id}>
          {letter.id}: {letter.error}
        </Text>
      ))}
    </Alert>
  );
}
