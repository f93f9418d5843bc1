// A model by what a person typed: the address of a GGUF file, or a name on the hub as `owlet pull` takes it.

import { EngineError } from './engine';
import type { ModelSource } from './protocol';

const kHub = 'https://huggingface.co';
const kUsual = /q4_k_m/i;  // of a repository's files, where none is named

interface HubFile { path: string; sizeBytes?: number; sha256?: string }

// "https://…/model.gguf", "org/name", "org/name:Q4_0", "org/name/folder/model.gguf". Throws EngineError.
export async function findModel(typed: string, reach: (address: string) => Promise<Response> = (address) => fetch(address)): Promise<ModelSource> {
  const wanted = typed.trim().replace(new RegExp(`^${kHub}/`), '').replace(/\/(?:blob|resolve)\/main\//, '/');
  if (/^https?:\/\//i.test(wanted)) {
    const url = URL.canParse(wanted) ? new URL(wanted) : refuse(`${wanted} is not an address.`);
    return { name: fileName(url.pathname), url: url.href };
  }
  const [, repository, path, tag] = /^([\w.-]+\/[\w.-]+)(?:\/([^:]+)|:(.+))?$/.exec(wanted) ?? refuse(`${wanted} is neither an address nor a name like org/model or org/model:Q4_0.`);
  const file = pick(await filesOf(repository!, reach), repository!, path ?? tag ?? '');
  return { name: fileName(file.path), url: `${kHub}/${repository!}/resolve/main/${file.path.split('/').map(encodeURIComponent).join('/')}`, sizeBytes: file.sizeBytes, sha256: file.sha256 };
}

// The last part of a path, as a file's name that nobody minds.
export function fileName(path: string): string {
  const last = decodeURIComponent(path.split('/').pop() ?? '').replace(/[^\w.+-]+/g, '_');
  return /\.gguf$/i.test(last) ? last.replace(/\.gguf$/i, '.gguf') : refuse(`${last || path} is not a GGUF file by its name.`);
}

async function filesOf(repository: string, reach: (address: string) => Promise<Response>): Promise<HubFile[]> {
  const response = await reach(`${kHub}/api/models/${repository}/tree/main?recursive=true`).catch(() => refuse(`There is no way to ${new URL(kHub).host} now.`));
  if (!response.ok) refuse(`${repository} is not on ${new URL(kHub).host}, or not for everybody: it answered ${response.status}.`);
  const entries: unknown = await response.json().catch(() => null);
  return (Array.isArray(entries) ? entries : []).flatMap((entry: unknown): HubFile[] => {
    const { type, path, size, lfs } = (entry ?? {}) as { type?: unknown; path?: unknown; size?: unknown; lfs?: { oid?: unknown } };
    if (type !== 'file' || typeof path !== 'string' || !/\.gguf$/i.test(path) || /mmproj|imatrix|-\d{5}-of-\d{5}\.gguf$/i.test(path)) return [];
    const sha256 = typeof lfs?.oid === 'string' && /^[0-9a-f]{64}$/.test(lfs.oid) ? lfs.oid : undefined;
    return [{ path, sizeBytes: typeof size === 'number' ? size : undefined, sha256 }];
  });
}

function pick(files: HubFile[], repository: string, wanted: string): HubFile {
  const named = wanted.toLowerCase();
  const meant = files.filter(({ path }) => path.toLowerCase() === named || path.toLowerCase().split(/[-._/]/).join(' ').includes(named.split(/[-._/]/).join(' ')));
  const found = wanted === '' ? (files.length === 1 ? files[0] : files.find(({ path }) => kUsual.test(path))) : meant.length === 1 ? meant[0] : files.find(({ path }) => path.toLowerCase() === named);
  if (found) return found;
  const names = files.slice(0, 20).map(({ path }) => path).join(', ');
  return refuse(files.length === 0 ? `${repository} has no GGUF file that is read in one piece.` : `Which file of ${repository}? There are: ${names}.`);
}

function refuse(message: string): never {
  throw new EngineError('refused', message);
}
