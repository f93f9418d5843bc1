// Training runs as a server tells of them, from their own logs (GET /runs). Everything is checked before it is believed.

type Json = Record<string, unknown>;

export interface RunName {
  name: string;
  idleSeconds: number;  // since its log was written
}

export interface Run {
  name: string;
  step: number;
  steps?: number;             // of the whole run
  tokens: number;
  tokensPerSecond?: number;
  secondsLeft?: number;
  stepSeconds: number;        // that a step takes
  idleSeconds: number;
  loss: Point[];              // nats a token by step
  validations: { step: number; loss: number; bitsPerByte: number }[];
  choices: { name: string; accuracy: number }[];
  answers: { step: number; question: string; answer: string }[];
}

export type Point = readonly [x: number, y: number];

export function runNamesOf(body: unknown): RunName[] {
  const runs: unknown[] = isObject(body) && Array.isArray(body.runs) ? body.runs : [];
  return runs.filter(isObject).flatMap((run) => (typeof run.name === 'string' ? [{ name: run.name, idleSeconds: number(run.idle_seconds) ?? 0 }] : []));
}

export function runOf(body: unknown): Run | null {
  if (!isObject(body) || typeof body.name !== 'string') return null;
  return {
    name: body.name,
    step: number(body.step) ?? 0,
    steps: number(body.steps),
    tokens: number(body.tokens) ?? 0,
    tokensPerSecond: number(body.tokens_per_second),
    secondsLeft: number(body.seconds_left),
    stepSeconds: number(body.step_seconds) ?? 0,
    idleSeconds: number(body.idle_seconds) ?? 0,
    loss: list(body.loss).flatMap((point): Point[] => (Array.isArray(point) && number(point[0]) !== undefined && number(point[1]) !== undefined ? [[point[0], point[1]]] : [])),
    validations: list(body.validations).filter(isObject).flatMap(({ step, loss, bits_per_byte: bits }) =>
      (number(step) !== undefined && number(loss) !== undefined ? [{ step: number(step)!, loss: number(loss)!, bitsPerByte: number(bits) ?? 0 }] : [])),
    choices: Object.entries(isObject(body.choices) ? body.choices : {}).flatMap(([name, is]) =>
      (isObject(is) && number(is.accuracy) !== undefined ? [{ name, accuracy: number(is.accuracy)! }] : [])),
    answers: list(body.answers).filter(isObject).map(({ step, question, answer }) => ({ step: number(step) ?? 0, question: String(question ?? ''), answer: String(answer ?? '') })),
  };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
