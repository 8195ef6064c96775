// SPDX-License-Identifier: Apache-2.0
const refuse = (): never => {
  throw new Error('meshes in VTK XML files are not read here');
};

export default { newInstance: refuse, extend: refuse };
