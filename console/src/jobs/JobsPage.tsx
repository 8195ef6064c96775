// SPDX-License-Identifier: Apache-2.0
import { Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';

export function JobsPage() {
  const { t } = useTranslation();

  return <Title order={1}>{t('nav.jobs')}</Title>;
}
