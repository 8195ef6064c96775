// SPDX-License-Identifier: Apache-2.0
import { Badge, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useNow } from '../jobs/elapsed';
import { useLive } from './LiveProvider';

/** Live, reconnecting in n seconds, or polling: how fresh what one sees is. */
export function ConnectionBadge() {
  const { t } = useTranslation();
  const { state, isPolling } = useLive();
  const now = useNow(state.kind === 'waiting');
  const seconds = state.kind === 'waiting' ? Math.max(0, Math.ceil((state.retryAt - now) / 1000)) : 0;
  const isLive = state.kind === 'live';
  const words =
    state.kind === 'waiting' ? t('live.reconnecting', { count: seconds }) : t(isLive ? 'live.live' : 'live.connecting');

  return (
    <Tooltip label={t(isPolling ? 'live.pollingHint' : isLive ? 'live.liveHint' : 'live.waitHint')}>
      <Badge
        role="status"
        variant="light"
        color={isLive ? 'teal' : isPolling ? 'yellow' : 'gray'}
        leftSection={<span aria-hidden>{isLive ? '●' : '○'}</span>}
        data-testid="connection"
        data-state={isLive ? 'live' : isPolling ? 'polling' : state.kind}
      >
        {isPolling && !isLive ? `${t('live.polling')} · ${words}` : words}
      </Badge>
    </Tooltip>
  );
}
