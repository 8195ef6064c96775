// SPDX-License-Identifier: Apache-2.0
// Where the browser cannot draw by WebGL: the server's pictures of both, slice by slice.
import { Alert, Group, SimpleGrid, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useKeys } from '../app/keys';
import { rendered, type Uids } from '../dicomweb/client';
import { Picture } from '../dicomweb/Picture';

interface Props {
  left: Uids;
  right: Uids;
  slice: number;
  count: number;
  onSlice: (slice: number) => void;
}

export function PlainPair({ left, right, slice, count, onSlice }: Props) {
  const { t } = useTranslation();
  const go = (index: number) => onSlice(Math.min(Math.max(index, 0), count - 1));
  useKeys('compare', {
    next: () => go(slice + 1),
    previous: () => go(slice - 1),
    first: () => go(0),
    last: () => go(count - 1),
  });

  return (
    <>
      <Alert color="yellow">{t('viewer.noWebGl')}</Alert>
      <Group>
        <Text size="sm">{t('viewer.slice', { slice: slice + 1, count })}</Text>
      </Group>
      <SimpleGrid cols={2}>
        <Picture src={rendered(left)} size={512} alt={t('compare.original')} />
        <Picture src={rendered(right)} size={512} alt={t('compare.processed')} />
      </SimpleGrid>
    </>
  );
}
