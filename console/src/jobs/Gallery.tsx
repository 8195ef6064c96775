// SPDX-License-Identifier: Apache-2.0
import { Button, Group, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Job } from '../api/schema';
import { thumbnail } from '../dicomweb/client';
import { Picture } from '../dicomweb/Picture';
import classes from './Gallery.module.css';
import { type Made, picturesOf } from './gallery';

const FIRST = 24;

const address = (job: Job, made: Made): string =>
  made.isOverlay
    ? `#/compare/${encodeURIComponent(job.job_id)}?slice=${made.slice}`
    : `#/view/${encodeURIComponent(job.study_instance_uid ?? '')}/${encodeURIComponent(made.series)}?slice=${made.slice}`;

/** What was made, picture by picture; those in which something was found stand out. */
export function Gallery({ job }: { job: Job }) {
  const { t } = useTranslation();
  const [isWhole, setWhole] = useState(false);
  const all = picturesOf(job);
  const study = job.study_instance_uid;

  if (!study || all.length === 0) return null;
  const found = all.filter((made) => made.isFound).length;
  return (
    <section aria-labelledby="gallery">
      <Group gap="xs" align="baseline" mb="xs">
        <Title order={2} size="h5" id="gallery">
          {t('jobs.gallery')}
        </Title>
        <Text size="sm" c="dimmed">
          {t('jobs.galleryFound', { count: all.length, found })}
        </Text>
      </Group>
      <ul className={classes.gallery} data-testid="gallery">
        {(isWhole ? all : all.slice(0, FIRST)).map((made) => (
          <li key={made.instance}>
            <a href={address(job, made)} className={classes.made} data-found={made.isFound || undefined}>
              <Picture src={thumbnail({ study, series: made.series, instance: made.instance }, 96)} size={96} />
              <span>
                {t('jobs.gallerySlice', { slice: made.slice })}
                {made.isFound ? ' ✓' : ''}
              </span>
            </a>
          </li>
        ))}
      </ul>
      {all.length > FIRST && !isWhole ? (
        <Button size="compact-sm" variant="default" onClick={() => setWhole(true)}>
          {t('jobs.galleryAll', { count: all.length })}
        </Button>
      ) : null}
    </section>
  );
}
