// SPDX-License-Identifier: Apache-2.0
// The Segmentations that belong to a series: one is chosen, and drawn on it.
import { Alert, Group, NativeSelect } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { useChanges } from '../dicomweb/useChanges';
import type { StackImage, View } from './engine';
import { OverlayPanel } from './OverlayPanel';
import { findSegmentations, loadSegmentation } from './segmentation';

interface Props {
  study: string;
  series: string;
  images: StackImage[];
  view: View | undefined;
}

const route = getRouteApi('/view/$study/$series');

export function Overlays({ study, series, images, view }: Props) {
  const { t } = useTranslation();
  const { overlay: chosen } = route.useSearch();
  const navigate = route.useNavigate();
  useChanges();
  const found = useQuery({
    queryKey: ['dicomweb', 'segmentations', study, series],
    queryFn: ({ signal }) => findSegmentations(study, series, signal),
  });
  const options = found.data ?? [];
  const uids = options.find((option) => option.uids.instance === chosen)?.uids;
  const loaded = useQuery({
    queryKey: ['segmentation', study, chosen],
    queryFn: ({ signal }) => loadSegmentation(uids ?? { study }, signal),
    enabled: uids !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const choose = (overlay: string | undefined) =>
    void navigate({ search: (old) => ({ ...old, overlay: overlay || undefined }), replace: true });
  useKeys('viewer', {
    nextOverlay: () => {
      const index = options.findIndex((option) => option.uids.instance === chosen);
      choose(options[index + 1]?.uids.instance);
    },
  });

  if (options.length === 0) return null;
  return (
    <Group align="start" gap="lg" mt="xs">
      <NativeSelect
        size="xs"
        label={t('overlay.choose')}
        value={chosen ?? ''}
        data={[
          { value: '', label: t('overlay.none') },
          ...options.map(({ uids, label }) => ({ value: uids.instance ?? '', label })),
        ]}
        onChange={(event) => choose(event.currentTarget.value)}
      />
      {loaded.error ? <Alert color="red">{loaded.error.message}</Alert> : null}
      {uids && loaded.data ? (
        <OverlayPanel scope="viewer" view={view} images={images} segmentation={loaded.data} />
      ) : null}
    </Group>
  );
}
