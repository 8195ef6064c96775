// SPDX-License-Identifier: Apache-2.0
import { Alert, Button, Checkbox, Group, Stack, Table, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useDeadLetters, useRedrive } from './useSystem';

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
        <Button size="compact-sm" variant="default" onClick={() => send('all')}>
          {t('operations.redriveAll')}
        </Button>
        {redrive.data ? <Text size="sm">{t('operations.redriven', { count: redrive.data.jobs.length })}</Text> : null}
      </Group>
      {redrive.error ? <Alert color="red">{redrive.error.message}</Alert> : null}
      <Table>
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
