// SPDX-License-Identifier: Apache-2.0
import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { type Column, VirtualTable } from '../app/VirtualTable';
import { thumbnail } from '../dicomweb/client';
import { type DataSet, date, text, texts } from '../dicomweb/model';
import { Picture } from '../dicomweb/Picture';

interface Props {
  studies: (DataSet | undefined)[];
  isStale: boolean;
  onRange: (first: number, last: number) => void;
}

/** Where there is nothing else there is no picture. */
const withoutPixels = new Set(['SR', 'PR', 'KO', 'RTSTRUCT', 'RTPLAN', 'RTRECORD', 'REG', 'ECG', 'AU', 'DOC', 'PLAN']);

const nothingMore = () => undefined; // the table knows of every row

const uidOf = (study: DataSet) => text(study, 'StudyInstanceUID');

export function StudyTable({ studies, ...rest }: Props) {
  const { t, i18n } = useTranslation();
  const column = (key: string, width: string, cell: Column<DataSet>['cell']): Column<DataSet> => ({
    key,
    title: t(`studies.column.${key}`),
    width,
    cell,
  });
  const columns = [
    column('picture', '56px', (study) =>
      texts(study, 'ModalitiesInStudy').some((modality) => !withoutPixels.has(modality)) ? (
        <Picture src={thumbnail({ study: uidOf(study) }, 96)} size={48} />
      ) : null,
    ),
    column('patient', 'minmax(160px, 2fr)', (study) => (
      <Link to="/studies/$study" params={{ study: uidOf(study) }}>
        {text(study, 'PatientName') || t('studies.unnamed')}
      </Link>
    )),
    column('id', 'minmax(100px, 1fr)', (study) => text(study, 'PatientID')),
    column('date', '120px', (study) => date(text(study, 'StudyDate'), i18n.language)),
    column('modality', '100px', (study) => texts(study, 'ModalitiesInStudy').join(', ')),
    column('description', 'minmax(140px, 2fr)', (study) => text(study, 'StudyDescription')),
    column('counts', '170px', (study) =>
      t('studies.counts', {
        series: text(study, 'NumberOfStudyRelatedSeries'),
        instances: text(study, 'NumberOfStudyRelatedInstances'),
      }),
    ),
  ];

  if (studies.length === 0) return <Text c="dimmed">{t('studies.none')}</Text>;
  return (
    <VirtualTable
      label={t('nav.studies')}
      rows={studies}
      columns={columns}
      rowKey={uidOf}
      rowPx={56}
      hasMore={false}
      onEnd={nothingMore}
      growsAtTop
      {...rest}
    />
  );
}
