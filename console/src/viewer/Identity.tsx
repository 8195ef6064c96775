// SPDX-License-Identifier: Apache-2.0
// Whose image it is and which, in its corners: nobody is to look at the wrong patient.
import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { type DataSet, date, text } from '../dicomweb/model';

const style = { pointerEvents: 'none', textShadow: '0 0 3px #000' } as const;

export function Identity({ instance }: { instance: DataSet | undefined }) {
  const { i18n } = useTranslation();

  if (!instance) return null;
  const who = [text(instance, 'PatientName'), text(instance, 'PatientID')];
  const born = [date(text(instance, 'PatientBirthDate'), i18n.language), text(instance, 'PatientSex')];
  const what = [text(instance, 'StudyDescription'), text(instance, 'SeriesDescription')];
  const when = [date(text(instance, 'StudyDate'), i18n.language), text(instance, 'Modality')];
  const lines = (...all: string[][]) => all.map((parts) => parts.filter(Boolean).join(' · ')).filter(Boolean);
  return (
    <>
      <Text pos="absolute" top={4} left={8} size="xs" c="#fff" style={style} component="div" data-testid="patient">
        {lines(who, born).map((line) => (
          <div key={line}>{line}</div>
        ))}
      </Text>
      <Text pos="absolute" top={4} right={8} size="xs" c="#fff" ta="right" style={style} component="div">
        {lines(what, when).map((line) => (
          <div key={line}>{line}</div>
        ))}
      </Text>
    </>
  );
}
