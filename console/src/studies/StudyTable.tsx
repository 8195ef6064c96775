// SPDX-License-Identifier: Apache-2.0
// Ten thousand studies scroll smoothly: only the rows in view exist.
import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { thumbnail } from '../dicomweb/client';
import { type DataSet, date, text, texts } from '../dicomweb/model';
import { Picture } from '../dicomweb/Picture';
import classes from './StudyTable.module.css';

const ROW_PX = 56;
const columns = ['picture', 'patient', 'id', 'date', 'modality', 'description', 'counts'] as const;

interface Props {
  studies: DataSet[];
  hasMore: boolean;
  isStale: boolean;
  onEnd: () => void;
}

export function StudyTable({ studies, hasMore, isStale, onEnd }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: studies.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 8,
  });
  const visible = rows.getVirtualItems();
  const lastIndex = visible.at(-1)?.index ?? 0;

  useEffect(() => {
    if (hasMore && lastIndex >= studies.length - 20) onEnd();
  }, [hasMore, lastIndex, studies.length, onEnd]);

  if (studies.length === 0) return <Text c="dimmed">{t('studies.none')}</Text>;
  return (
    <div ref={scroller} className={classes.scroller} data-stale={isStale || undefined}>
      {/* biome-ignore lint/a11y/useSemanticElements: rows are placed one by one, which a table element does not allow */}
      <div role="table" aria-label={t('nav.studies')} aria-rowcount={hasMore ? -1 : studies.length + 1}>
        {/* biome-ignore lint/a11y/useSemanticElements: as above */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: a row of headings is not interactive */}
        <div role="row" aria-rowindex={1} className={`${classes.row} ${classes.head}`}>
          {columns.map((column) => (
            // biome-ignore lint/a11y/useSemanticElements: as above
            // biome-ignore lint/a11y/useFocusableInteractive: nothing happens on a heading
            <div role="columnheader" key={column}>
              {t(`studies.column.${column}`)}
            </div>
          ))}
        </div>
        <div style={{ height: rows.getTotalSize(), position: 'relative' }} role="presentation">
          {visible.map((item) => (
            <StudyRow key={item.key} study={studies[item.index] as DataSet} index={item.index} top={item.start} />
          ))}
        </div>
      </div>
    </div>
  );
}

function StudyRow({ study, index, top }: { study: DataSet; index: number; top: number }) {
  const { t, i18n } = useTranslation();
  const uid = text(study, 'StudyInstanceUID');
  const patient = text(study, 'PatientName') || t('studies.unnamed');
  const cells = {
    picture: <Picture src={thumbnail({ study: uid }, 96)} size={48} />,
    patient: (
      <Link to="/studies/$study" params={{ study: uid }}>
        {patient}
      </Link>
    ),
    id: text(study, 'PatientID'),
    date: date(text(study, 'StudyDate'), i18n.language),
    modality: texts(study, 'ModalitiesInStudy').join(', '),
    description: text(study, 'StudyDescription'),
    counts: t('studies.counts', {
      series: text(study, 'NumberOfStudyRelatedSeries'),
      instances: text(study, 'NumberOfStudyRelatedInstances'),
    }),
  };

  return (
    // biome-ignore lint/a11y/useSemanticElements: as above
    // biome-ignore lint/a11y/useFocusableInteractive: the link inside is
    <div
      role="row"
      aria-rowindex={index + 2}
      className={classes.row}
      style={{ transform: `translateY(${top}px)` }}
      data-placed
    >
      {columns.map((column) => (
        // biome-ignore lint/a11y/useSemanticElements: as above
        <div role="cell" key={column} className={classes.cell}>
          {cells[column]}
        </div>
      ))}
    </div>
  );
}
