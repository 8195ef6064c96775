// SPDX-License-Identifier: Apache-2.0
import { Group, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { duration } from './elapsed';
import { isFinal } from './useJobs';

const colors: Record<string, string> = {
  queued: '#868e96',
  fetch: '#4dabf7',
  compute: '#20c997',
  store: '#f0a35e',
  running: '#20c997',
};

/** Where the time went: a strip of the stages, and each in words. */
export function Timeline({ job }: { job: Job }) {
  const { t, i18n } = useTranslation();
  const stages = Object.entries(job.timeline).filter(([stage]) => stage in colors);
  const sum = stages.reduce((total, [, ms]) => total + ms, 0);

  if (!isFinal(job.state) || sum <= 0) return null;
  return (
    <section aria-labelledby="timeline" style={{ maxWidth: 820 }}>
      <Title order={2} size="h5" id="timeline">
        {t('jobs.timeline')}
      </Title>
      <div aria-hidden style={{ display: 'flex', height: 8, margin: '6px 0', borderRadius: 4, overflow: 'hidden' }}>
        {stages.map(([stage, ms]) => (
          <div key={stage} style={{ width: `${(100 * ms) / sum}%`, background: colors[stage] }} />
        ))}
      </div>
      <Group gap="lg">
        {Object.entries(job.timeline).map(([stage, ms]) => (
          <Group gap={6} key={stage}>
            {colors[stage] ? (
              <span aria-hidden style={{ width: 10, height: 10, borderRadius: 2, background: colors[stage] }} />
            ) : null}
            <Text size="sm">
              {t(`jobs.stage.${stage}`, { defaultValue: stage })}: {duration(ms, i18n.language)}
            </Text>
          </Group>
        ))}
      </Group>
    </section>
  );
}
