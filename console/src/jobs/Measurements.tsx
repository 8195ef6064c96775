// SPDX-License-Identifier: Apache-2.0
import { Badge, Card, ColorSwatch, Group, SimpleGrid, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Algorithm, Job } from '../api/schema';
import { cardsOf } from './measures';

/** Volumes, areas and densities, a card for each thing that was looked for. */
export function Measurements({ job, algorithm }: { job: Job; algorithm: Algorithm | undefined }) {
  const { t, i18n } = useTranslation();
  const cards = cardsOf(job.measurements as Record<string, unknown> | undefined);
  const number = new Intl.NumberFormat(i18n.language, { maximumFractionDigits: 1 });

  if (cards.length === 0) return null;
  return (
    <section aria-labelledby="measurements">
      <Title order={2} size="h5" mb="xs" id="measurements">
        {t('jobs.measurements')}
      </Title>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
        {cards.map((card) => {
          const label = algorithm?.labels?.find((one) => one.id === card.label);
          return (
            <Card withBorder padding="sm" key={card.label} data-testid="measurement">
              <Group gap="xs" mb={4}>
                {label ? <ColorSwatch color={`rgb(${label.rgb.join(' ')})`} size={14} withShadow={false} /> : null}
                <Title order={3} size="h6">
                  {card.label
                    ? t(`jobs.label.${card.label}`, { defaultValue: label?.name ?? card.label.replaceAll('_', ' ') })
                    : t('jobs.figure.whole')}
                </Title>
                {card.isFound ? null : (
                  <Badge size="xs" variant="light" color="gray">
                    {t('jobs.state.nothing')}
                  </Badge>
                )}
              </Group>
              <dl style={{ margin: 0 }}>
                {card.figures.map((figure) => (
                  <Group key={`${figure.name}${figure.unit}`} justify="space-between" gap="xs">
                    <Text component="dt" size="sm" c="dimmed">
                      {t(`jobs.figure.${figure.name}`, { defaultValue: figure.name.replaceAll('_', ' ') })}
                    </Text>
                    <Text component="dd" size="sm" m={0} fw={600}>
                      {typeof figure.value === 'number'
                        ? `${number.format(figure.value)} ${figure.unit}`.trim()
                        : t(`jobs.reason.${figure.value}`, { defaultValue: figure.value })}
                    </Text>
                  </Group>
                ))}
              </dl>
            </Card>
          );
        })}
      </SimpleGrid>
    </section>
  );
}
