// SPDX-License-Identifier: Apache-2.0
// A link may name study and series by the folders that they were stored under: found, it becomes one of UIDs.
import { Alert, Loader } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { findByKey, findImage, isUid, type Named } from '../dicomweb/keys';

interface Props {
  study: string;
  series?: string;
  image?: string | undefined;
  onFound: (found: Named) => void;
  children: ReactNode;
}

export function ByKey({ study, series, image, onFound, children }: Props) {
  const { t } = useTranslation();
  const isKnown = [study, series, image].every((id) => id === undefined || isUid(id));
  const { data, error } = useQuery({
    queryKey: ['key', study, series, image],
    queryFn: async ({ signal }) =>
      (await (series === undefined ? findByKey(study, signal) : findImage(study, series, image, signal))) ?? null,
    enabled: !isKnown,
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: told once, when it is found
  useEffect(() => {
    if (data && !isKnown) onFound(data);
  }, [data]);
  if (isKnown) return children;
  if (error) return <Alert color="red">{error.message}</Alert>;
  if (data === null) {
    return (
      <Alert color="red" title={t('errors.load')}>
        {t('studies.gone')}
      </Alert>
    );
  }
  return <Loader aria-label={t('app.loading')} />;
}
