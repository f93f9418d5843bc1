// Models as files of the site's own in this browser (OPFS), fetched once: a download that broke off goes on where it stopped, and a
// file counts only when its SHA-256 is right. Runs in the worker, where files can be read and written without waiting.

import type { KeptModel, ModelSource, Progress } from './protocol';
import { Sha256, sha256Of } from './sha256';

const kPart = '.part';          // of a name: not whole yet
const kHash = '.sha256';        // beside a model: what its bytes must be
const kPiece = 4 << 20;         // bytes that are read at once
const kWhole = 16 << 20;        // … of a file no larger than this, all: what opens a page need not be hashed piece by piece
const kTellMs = 200;            // between two words on how far it is

// A file's bytes, as far as this needs them.
interface Handle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
interface FileEntry {
  name: string;
  getFile(): Promise<File>;
  createSyncAccessHandle(): Promise<Handle>;
  move(name: string): Promise<void>;
}
export interface Folder {
  getFileHandle(name: string, options?: { create?: boolean }): Promise<FileEntry>;
  removeEntry(name: string): Promise<void>;
  values(): AsyncIterable<{ kind: string; name: string }>;
}

export class ModelStore {
  constructor(
    private readonly folder: Folder,
    private readonly room: () => Promise<number>,              // bytes that may still be kept
    private readonly memory: number,                           // bytes that a model may take when it is used
    private readonly tell: (progress: Progress) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  async list(): Promise<KeptModel[]> {
    const models: KeptModel[] = [];
    for await (const { kind, name } of this.folder.values()) {
      if (kind !== 'file' || !name.endsWith('.gguf')) continue;
      models.push({ name, sizeBytes: (await (await this.folder.getFileHandle(name)).getFile()).size });
    }
    return models.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async remove(name: string): Promise<void> {
    for (const file of [name, name + kPart, name + kHash]) await this.folder.removeEntry(file).catch(() => undefined);
  }

  // Hands the file to `take` piece by piece, from the disk, or from the network and to the disk. `begin` is told its size first.
  async read(source: ModelSource, begin: (size: number) => void, take: (bytes: Uint8Array, at: number) => void): Promise<void> {
    const kept = await this.folder.getFileHandle(source.name).catch(() => null);
    if (kept) {
      const wanted = source.sha256 ?? await this.textOf(source.name + kHash);
      const found = await this.readKept(kept, begin, take);
      if (!wanted || wanted === found) return;
      await this.remove(source.name);  // what is on the disk has changed: once more from where it came
      if (!source.url) throw new Error(`${source.name} is damaged: what is kept of it is not what was kept. Add it again.`);
    }
    if (!source.url) throw new Error(`${source.name} is not kept in this browser.`);
    await this.download(source, source.url);
    await this.readKept(await this.folder.getFileHandle(source.name), begin, take);
  }

  // Keeps what is at an address, unless it is here already.
  async fetch(source: ModelSource): Promise<void> {
    const kept = await this.textOf(source.name + kHash);
    if (kept !== null && kept === source.sha256) return;
    if (kept !== null) await this.remove(source.name);
    await this.download(source, source.url ?? '');
  }

  // Keeps a file that was picked.
  async keep(name: string, file: Blob): Promise<void> {
    await this.checkRoom(name, file.size, file.size);
    await this.remove(name);
    const part = await (await this.folder.getFileHandle(name + kPart, { create: true })).createSyncAccessHandle();
    const hash = new Sha256();
    const meter = this.meter(name, 0, file.size);
    try {
      for (let at = 0; at < file.size; at += kPiece) {
        const bytes = new Uint8Array(await file.slice(at, at + kPiece).arrayBuffer());
        writeAll(part, bytes, at);
        hash.update(bytes);
        meter(at + bytes.length);
      }
      part.flush();
    } finally {
      part.close();
    }
    await this.finish(name, hash.digest());
  }

  // One that breaks off goes on by itself as long as each try brings something.
  private async download(source: ModelSource, url: string): Promise<void> {
    for (let had = -1;;) {
      try {
        return await this.downloadRest(source, url);
      } catch (error) {
        if (!(error instanceof BrokenOff) || !source.sha256 || error.at <= had) throw error;
        had = error.at;
      }
    }
  }

  private async downloadRest(source: ModelSource, url: string): Promise<void> {
    const entry = await this.folder.getFileHandle(source.name + kPart, { create: true });
    const part = await entry.createSyncAccessHandle();
    let hash = new Sha256();
    try {
      let at = source.sha256 ? hashKept(part, hash) : 0;  // without a checksum nobody could say whether the pieces fit together
      let response = await this.fetchFrom(url, at);
      if (at > 0 && response.status !== 206) {  // all of it comes, or there is nothing behind what is here
        if (!response.ok) response = await this.fetchFrom(url, 0);
        hash = new Sha256();
        at = 0;
      }
      part.truncate(at);
      if (!response.ok || !response.body) throw new Error(`${source.name} could not be fetched: the server answered ${response.status}.`);
      const total = at + Number(response.headers.get('content-length') ?? 0);
      await this.checkRoom(source.name, source.sizeBytes ?? total, (source.sizeBytes ?? total) - at);
      const meter = this.meter(source.name, at, source.sizeBytes ?? total);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read().catch(() => { throw new BrokenOff(source.name, at); });
        if (done) break;
        writeAll(part, value, at);
        hash.update(value);
        at += value.length;
        meter(at);
      }
      part.flush();
    } finally {
      part.close();
    }
    const found = hash.digest();
    if (source.sha256 && found !== source.sha256) {
      await this.folder.removeEntry(source.name + kPart);
      throw new Error(`${source.name} arrived damaged: its checksum is ${found.slice(0, 12)}…, not ${source.sha256.slice(0, 12)}…. Try again.`);
    }
    await this.finish(source.name, found);
  }

  private async fetchFrom(url: string, at: number): Promise<Response> {
    try {
      return await fetch(url, at > 0 ? { headers: { Range: `bytes=${at}-` } } : {});
    } catch {
      throw new Error(`There is no way to ${new URL(url, 'http://localhost').host || 'the site'} now: the model could not be fetched.`);
    }
  }

  private async finish(name: string, sha256: string): Promise<void> {
    const note = await (await this.folder.getFileHandle(name + kHash, { create: true })).createSyncAccessHandle();
    try {
      note.truncate(0);
      writeAll(note, new TextEncoder().encode(sha256), 0);
      note.flush();
    } finally {
      note.close();
    }
    await (await this.folder.getFileHandle(name + kPart)).move(name);
  }

  private async readKept(entry: FileEntry, begin: (size: number) => void, take: (bytes: Uint8Array, at: number) => void): Promise<string> {
    const file = await entry.createSyncAccessHandle();
    const hash = new Sha256();
    try {
      const size = file.getSize();
      this.checkMemory(entry.name, size);
      begin(size);
      const whole = size <= kWhole;
      const piece = new Uint8Array(whole ? size : kPiece);
      for (let at = 0; at < size;) {
        const bytes = piece.subarray(0, file.read(piece, { at }));
        if (bytes.length < (whole ? size : 1)) throw new Error(`${entry.name} cannot be read.`);
        if (!whole) hash.update(bytes);
        take(bytes, at);
        at += bytes.length;
      }
      if (whole) return await sha256Of(piece);
    } finally {
      file.close();
    }
    return hash.digest();
  }

  private async textOf(name: string): Promise<string | null> {
    const entry = await this.folder.getFileHandle(name).catch(() => null);
    return entry ? (await entry.getFile()).text() : null;
  }

  // Before anything comes: what could never be used, or kept, need not.
  private async checkRoom(name: string, size: number, toCome: number): Promise<void> {
    this.checkMemory(name, size);
    const room = await this.room();
    if (toCome > room) throw new Error(`${name} needs ${megabytes(toCome)} on the disk, and this browser lets the site keep ${megabytes(room)} more.`);
  }

  private checkMemory(name: string, size: number): void {
    if (size >= this.memory) throw new Error(`${name} takes ${megabytes(size)} of memory, and this browser gives ${megabytes(this.memory)} at most.`);
  }

  private meter(name: string, start: number, total: number): (at: number) => void {
    const began = this.now();
    let told = -Infinity;
    return (at) => {
      const now = this.now();
      if (now - told < kTellMs && at < total) return;
      told = now;
      this.tell({ name, loaded: at, total, perSecond: now > began ? ((at - start) * 1000) / (now - began) : 0 });
    };
  }
}

class BrokenOff extends Error {
  constructor(name: string, readonly at: number) {
    super(`The connection broke while ${name} was coming. Ask again: it goes on where it stopped.`);
  }
}

export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}

function writeAll(file: Handle, bytes: Uint8Array, at: number): void {
  try {
    if (file.write(bytes, { at }) === bytes.length) return;
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== 'QuotaExceededError') throw error;
  }
  throw new Error('The disk is full, or what this site may keep on it.');
}

// Of what a download left; returns how much that is.
function hashKept(part: Handle, hash: Sha256): number {
  const size = part.getSize();
  const piece = new Uint8Array(kPiece);
  for (let at = 0; at < size;) {
    const n = part.read(piece, { at });
    if (n === 0) break;
    hash.update(piece.subarray(0, n));
    at += n;
  }
  return size;
}
