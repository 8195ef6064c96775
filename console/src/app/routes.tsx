// SPDX-License-Identifier: Apache-2.0
// Pages by the part of the address behind '#': the server needs no rule for them, and a link survives a reload.
import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from '@tanstack/react-router';
import { CompareSearch } from '../compare/CompareSearch';
import { JobFilters, JobSearch } from '../jobs/useJobs';
import { RunSearch } from '../run/search';
import { StudyFilters } from '../studies/filters';
import { ViewerSearch } from '../viewer/ViewerSearch';
import { Shell } from './Shell';

const root = createRootRoute({ component: Shell });

const studies = createRoute({
  getParentRoute: () => root,
  path: '/',
  validateSearch: (search) => StudyFilters.parse(search),
  component: lazyRouteComponent(() => import('../studies/StudiesPage'), 'StudiesPage'),
});
const study = createRoute({
  getParentRoute: () => root,
  path: '/studies/$study',
  component: lazyRouteComponent(() => import('../studies/StudyPage'), 'StudyPage'),
});
const viewer = createRoute({
  getParentRoute: () => root,
  path: '/view/$study/$series',
  validateSearch: (search) => ViewerSearch.parse(search),
  component: lazyRouteComponent(() => import('../viewer/ViewerPage'), 'ViewerPage'),
});
const jobs = createRoute({
  getParentRoute: () => root,
  path: '/jobs',
  validateSearch: (search) => JobFilters.parse(search),
  component: lazyRouteComponent(() => import('../jobs/JobsPage'), 'JobsPage'),
});
const job = createRoute({
  getParentRoute: () => root,
  path: '/jobs/$job',
  validateSearch: (search) => JobSearch.parse(search),
  component: lazyRouteComponent(() => import('../jobs/JobPage'), 'JobPage'),
});
const compare = createRoute({
  getParentRoute: () => root,
  path: '/compare/$job',
  validateSearch: (search) => CompareSearch.parse(search),
  component: lazyRouteComponent(() => import('../compare/ComparePage'), 'ComparePage'),
});
const upload = createRoute({
  getParentRoute: () => root,
  path: '/upload',
  component: lazyRouteComponent(() => import('../upload/UploadPage'), 'UploadPage'),
});
const run = createRoute({
  getParentRoute: () => root,
  path: '/run',
  validateSearch: (search) => RunSearch.parse(search),
  component: lazyRouteComponent(() => import('../run/RunPage'), 'RunPage'),
});
const operations = createRoute({
  getParentRoute: () => root,
  path: '/operations',
  component: lazyRouteComponent(() => import('../operations/OperationsPage'), 'OperationsPage'),
});

export const router = createRouter({
  routeTree: root.addChildren([studies, study, viewer, jobs, job, compare, upload, run, operations]),
  history: createHashHistory(),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
