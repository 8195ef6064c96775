// SPDX-License-Identifier: Apache-2.0
// A result shows itself: one toast per result, one click to see it beside its original.
import { Anchor, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { getJson } from '../api/http';
import type { Job } from '../api/schema';
import { thumbnail } from '../dicomweb/client';
import { Picture } from '../dicomweb/Picture';
import { adviceKey } from '../jobs/failure';
import { picturesOf } from '../jobs/gallery';
import type { ResultEvent } from './events';
import { useLive } from './LiveProvider';

const OFFLINE = 'live-unavailable';

/** Of the first picture in which something was found; the event names no study, its job does. */
function useThumbnail(event: ResultEvent): string | null {
  const { data } = useQuery({
    queryKey: ['job', event.job_id],
    queryFn: ({ signal }) => getJson<Job>(`/jobs/${encodeURIComponent(event.job_id)}`, signal),
    enabled: Boolean(event.outputs?.length),
  });
  const all = data ? picturesOf(data) : [];
  const made = all.find((picture) => picture.isFound) ?? all[0];
  if (!data?.study_instance_uid || !made) return null;
  return thumbnail({ study: data.study_instance_uid, series: made.series, instance: made.instance }, 96);
}

function Words({ event }: { event: ResultEvent }) {
  const { t } = useTranslation();
  const picture = useThumbnail(event);
  const outcome =
    event.status === 'succeeded' && event.found === false ? t('jobs.state.nothing') : t(`jobs.state.${event.status}`);

  return (
    <Group wrap="nowrap" gap="sm">
      {picture ? <Picture src={picture} size={48} /> : null}
      <div>
        <Text size="sm" c="var(--mantine-color-text)">
          {event.error ? t(`${adviceKey(event.error.code)}.what`) : outcome}
        </Text>
        {/* A toast is drawn outside of the router: hence the address by hand. */}
        <Anchor size="sm" href={`#/${event.outputs?.length ? 'compare' : 'jobs'}/${encodeURIComponent(event.job_id)}`}>
          {t('live.open')}
        </Anchor>
      </div>
    </Group>
  );
}

function ToJobs() {
  const { t } = useTranslation();
  return (
    <Anchor size="sm" href="#/jobs">
      {t('nav.jobs')}
    </Anchor>
  );
}

const MANY = 'results-many';
const AT_ONCE = 4; // toasts at a time; what comes beyond is counted in one of its own

export function ResultToasts() {
  const { t } = useTranslation();
  const { store, isPolling } = useLive();
  const open = useRef(new Set<string>());
  const more = useRef(0);

  useEffect(
    () =>
      store.onResult((event) => {
        const id = `result-${event.job_id}`;
        if (open.current.size < AT_ONCE) {
          open.current.add(id);
          notifications.show({
            id,
            color: event.status === 'succeeded' ? 'teal' : event.status === 'failed' ? 'red' : 'orange',
            title: event.algo_id,
            closeButtonProps: { 'aria-label': t('app.close') },
            message: <Words event={event} />,
            autoClose: event.status === 'failed' ? false : 15_000,
            onClose: () => open.current.delete(id),
          });
          return;
        }
        more.current++;
        const notice = { id: MANY, title: t('live.more', { count: more.current }), message: <ToJobs /> };
        if (more.current > 1) notifications.update(notice);
        else {
          notifications.show({
            ...notice,
            closeButtonProps: { 'aria-label': t('app.close') },
            autoClose: false,
            onClose: () => {
              more.current = 0;
            },
          });
        }
      }),
    [store, t],
  );
  useEffect(() => {
    if (!isPolling) {
      notifications.hide(OFFLINE);
      return;
    }
    notifications.show({
      id: OFFLINE,
      closeButtonProps: { 'aria-label': t('app.close') },
      color: 'yellow',
      title: t('live.lost'),
      message: (
        <Text size="sm" c="var(--mantine-color-text)">
          {t('live.pollingHint')}
        </Text>
      ),
      autoClose: false,
    });
  }, [isPolling, t]);
  return null;
}
