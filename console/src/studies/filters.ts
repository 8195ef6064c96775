// SPDX-License-Identifier: Apache-2.0
// The filters of the study list: kept in the address, so that a link shows the same list.
import { z } from 'zod';

export const StudyFilters = z.object({
  patient: z.string().optional().catch(undefined),
  id: z.string().optional().catch(undefined),
  accession: z.string().optional().catch(undefined),
  from: z.string().optional().catch(undefined),
  until: z.string().optional().catch(undefined),
  modality: z.string().optional().catch(undefined),
  description: z.string().optional().catch(undefined),
});
export type StudyFilters = z.infer<typeof StudyFilters>;

const dashless = (day: string | undefined): string => (day ?? '').replaceAll('-', '');

/** What is typed is a part of the value, unless it says by wildcards where it begins and ends. */
function part(typed: string | undefined): string | undefined {
  const value = typed?.trim();
  if (!value) return undefined;
  return /[*?]/.test(value) ? value : `*${value}*`;
}

/** A UID is looked for as it is, anything else as part of a patient id. */
const isUid = (value: string): boolean => /^[0-2](\.\d+){3,}$/.test(value);

/** The QIDO-RS keys of the filters. */
export function studyQuery(filters: StudyFilters): Record<string, string | undefined> {
  const from = dashless(filters.from);
  const until = dashless(filters.until);
  const id = filters.id?.trim() ?? '';
  return {
    PatientName: part(filters.patient),
    StudyDescription: part(filters.description),
    AccessionNumber: part(filters.accession),
    ModalitiesInStudy: filters.modality?.trim().toUpperCase() || undefined,
    StudyDate: from || until ? (from === until ? from : `${from}-${until}`) : undefined,
    ...(isUid(id) ? { StudyInstanceUID: id } : { PatientID: part(id) }),
  };
}
