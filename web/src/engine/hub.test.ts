// @vitest-environment node
import { expect, it } from 'vitest';
import { findModel } from './hub';

const sha256 = 'a'.repeat(64);
const tree = [
  { type: 'file', path: 'README.md', size: 5 },
  { type: 'file', path: 'owl-Q4_0.gguf', size: 70, lfs: { oid: sha256 } },
  { type: 'file', path: 'more/owl-Q8_0.gguf', size: 130, lfs: { oid: 'no checksum' } },
  { type: 'file', path: 'owl-f16-00001-of-00002.gguf', size: 1 },
  { type: 'file', path: 'mmproj-owl.gguf', size: 1 },
  { type: 'directory', path: 'x.gguf' },
  null, 7,
];
const asked: string[] = [];
const hub = (files: unknown, status = 200) => async (address: string) => {
  asked.push(address);
  return new Response(JSON.stringify(files), { status });
};

it('takes an address as it is', async () => {
  expect(await findModel(' https://host/a/My%20model.GGUF?x=1 ', hub(tree))).toEqual({ name: 'My_model.gguf', url: 'https://host/a/My%20model.GGUF?x=1' });
  await expect(findModel('https://host/a/model.bin', hub(tree))).rejects.toThrow('model.bin is not a GGUF file');
});

it('finds a name on the hub, with size and checksum', async () => {
  const file = { name: 'owl-Q4_0.gguf', url: 'https://huggingface.co/org/owl/resolve/main/owl-Q4_0.gguf', sizeBytes: 70, sha256 };
  for (const typed of ['org/owl:q4_0', 'org/owl/owl-Q4_0.gguf', 'https://huggingface.co/org/owl/blob/main/owl-Q4_0.gguf']) {
    expect(await findModel(typed, hub(tree))).toEqual(file);
  }
  expect(asked.at(-1)).toBe('https://huggingface.co/api/models/org/owl/tree/main?recursive=true');
  expect(await findModel('org/owl:Q8_0', hub(tree))).toMatchObject({ url: 'https://huggingface.co/org/owl/resolve/main/more/owl-Q8_0.gguf', sha256: undefined });
  expect((await findModel('org/owl', hub([{ type: 'file', path: 'only.gguf' }]))).name).toBe('only.gguf');
});

it('says what there is where the name is not enough', async () => {
  await expect(findModel('org/owl', hub(tree))).rejects.toThrow('Which file of org/owl? There are: owl-Q4_0.gguf, more/owl-Q8_0.gguf.');
  await expect(findModel('org/owl:Q5_K', hub(tree))).rejects.toThrow('There are: owl-Q4_0.gguf');
  await expect(findModel('org/owl', hub([]))).rejects.toThrow('no GGUF file');
  await expect(findModel('org/owl', hub({ error: 'no' }, 401))).rejects.toThrow('answered 401');
  await expect(findModel('owl', hub(tree))).rejects.toThrow('neither an address nor a name');
  await expect(findModel('org/owl', () => Promise.reject(new TypeError('offline')))).rejects.toThrow('no way to huggingface.co');
});
