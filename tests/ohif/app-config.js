// SPDX-License-Identifier: Apache-2.0
// The viewer's configuration; its own points to a public demonstration.  ARCHIVE is replaced when it is served.
window.config = {
  routerBasename: '/', showStudyList: true, extensions: [], modes: [],
  customizationService: { 'ohif.tours': { $set: [] } }, // no tour on the first visit
  investigationalUseDialog: { option: 'never' },
  maxNumberOfWebWorkers: 2, strictZSpacingForVolumeViewport: true,
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  defaultDataSourceName: 'corsia',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'corsia',
    configuration: {
      friendlyName: 'Corsia', name: 'corsia',
      qidoRoot: 'ARCHIVE', wadoRoot: 'ARCHIVE', wadoUriRoot: 'ARCHIVE',
      qidoSupportsIncludeField: false, supportsFuzzyMatching: false, supportsWildcard: true,
      imageRendering: 'wadors', thumbnailRendering: 'wadors', enableStudyLazyLoad: true, staticWado: false,
      singlepart: 'bulkdata,video', omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true, relativeResolution: 'studies' },
    },
  }],
};
