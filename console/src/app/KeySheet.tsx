// SPDX-License-Identifier: Apache-2.0
import { Kbd, Modal, Table, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type KeyScope, keyTable } from './keys';

const scopes: KeyScope[] = ['everywhere', 'viewer', 'compare', 'run', 'jobs', 'job', 'upload', 'operations'];
const symbols: Record<string, string> = {
  mod: 'Ctrl',
  ctrl: 'Ctrl',
  shift: 'Shift',
  '[plus]': '+',
  arrowup: '↑',
  arrowdown: '↓',
  arrowleft: '←',
  arrowright: '→',
};

/** "ctrl+ArrowUp" as people read it; a sign that takes Shift on some keyboards is the sign. */
function written(key: string): string {
  const parts = key.split('+');
  const isSign = parts.length === 2 && parts[0] === 'shift' && /^(\?|\[plus\])$/.test(parts[1] ?? '');
  return (isSign ? parts.slice(1) : parts).map((part) => symbols[part.toLowerCase()] ?? part).join(' ');
}

/** The keys, as they are bound. */
export function KeySheet({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation();

  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      title={t('keys.title')}
      size="lg"
      closeButtonProps={{ 'aria-label': t('app.close') }}
    >
      {scopes.map((scope) => (
        <section key={scope}>
          <Title order={3} size="h6" mt="sm">
            {t(`keys.scope.${scope}`)}
          </Title>
          <Table verticalSpacing={2} withRowBorders={false}>
            <Table.Tbody>
              {keyTable
                .filter((entry) => entry.scope === scope)
                .map((entry) => (
                  <Table.Tr key={entry.action}>
                    <Table.Td w={220}>
                      {[...new Set(entry.keys.map(written))].map((key) => (
                        <Kbd key={key} mr={4}>
                          {key}
                        </Kbd>
                      ))}
                    </Table.Td>
                    <Table.Td>{t(`keys.action.${entry.action}`)}</Table.Td>
                  </Table.Tr>
                ))}
            </Table.Tbody>
          </Table>
        </section>
      ))}
    </Modal>
  );
}
