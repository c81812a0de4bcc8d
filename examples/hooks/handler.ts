/**
 * Before the inference: a customer's number becomes the features that the model wants, from a
 * database. After it: the class gets its name. After the answer: an audit record is uploaded.
 */
import { DatabaseSync } from "node:sqlite";
import type { AfterResponse, Load, Postprocess, Preprocess } from "pilotlight/handler";

type State = { readonly flowers: DatabaseSync; readonly auditUrl: string };
type Asked = { instances: { flower: number }[] };
type Answered = { predictions: { label: number }[] };

const names = ["setosa", "versicolor", "virginica"];

/** Once, before the model serves. What it returns is `state` everywhere else. */
export const load: Load<State> = ({ log }) => {
  const flowers = new DatabaseSync(process.env["FLOWERS_DB"] ?? "flowers.db", { readOnly: true });
  log("the database is open");
  return { flowers, auditUrl: process.env["AUDIT_URL"] ?? "" };
};

export const preprocess: Preprocess<State> = ({ body }, { state, values }) => {
  const { instances } = body as Asked;
  const find = state.flowers.prepare("SELECT * FROM flowers WHERE id = ?");
  const rows = instances.map(({ flower }) => {
    const found = find.get(flower);
    // A status of 400, 404 or 429 makes it the client's fault, and the message its answer.
    if (found === undefined) {
      throw Object.assign(new Error(`there is no flower ${flower}`), { status: 404 });
    }
    return [
      found["sepal_length"],
      found["sepal_width"],
      found["petal_length"],
      found["petal_width"],
    ];
  });
  values["flowers"] = instances.map(({ flower }) => flower);
  return { body: { instances: rows } };
};

export const postprocess: Postprocess<State> = ({ body }, { values }) => {
  const { predictions } = body as Answered;
  const flowers = values["flowers"] as number[];
  return {
    body: {
      flowers: predictions.map(({ label }, at) => ({ flower: flowers[at], is: names[label] })),
    },
  };
};

/** The client has its answer; at the end of the predictor, what is left here is still done. */
export const afterResponse: AfterResponse<State> = async (event, { state, model, signal }) => {
  const record = {
    model: `${model.name}/${model.version}`,
    asked: event.request.body,
    answered: event.response.body,
    status: event.response.status,
    durationMs: Math.round(event.durationMs),
  };
  const response = await fetch(`${state.auditUrl}/${event.request.id}.json`, {
    method: "PUT",
    body: JSON.stringify(record),
    signal,
  });
  if (!response.ok) throw new Error(`the audit storage answered ${response.status}`);
};
