// SPDX-License-Identifier: Apache-2.0
// Windows that radiologists ask for by name, in HU.
export const presets = [
  { key: '1', name: 'softTissue', center: 40, width: 400 },
  { key: '2', name: 'lung', center: -600, width: 1500 },
  { key: '3', name: 'bone', center: 400, width: 1800 },
  { key: '4', name: 'brain', center: 40, width: 80 },
  { key: '5', name: 'liver', center: 60, width: 160 },
] as const;
