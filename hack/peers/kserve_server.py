"""KServe's Python model server with a custom model, as its documentation describes one."""
import asyncio
import logging
import uuid

import numpy as np
import uvicorn

_Config = uvicorn.Config


class LoopbackConfig(_Config):
    """KServe listens on every address; these runs stay on this machine."""

    def __init__(self, app, *args, host=None, **kwargs):
        super().__init__(app, *args, host="127.0.0.1", **kwargs)


uvicorn.Config = LoopbackConfig

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer  # noqa: E402

from onnx_session import INLINE, NAME, NUMPY, PROTOCOL, OnnxSession, sizes  # noqa: E402


class OnnxModel(Model):
    def __init__(self, name):
        super().__init__(name)
        self._session = None

    def load(self):
        self._session = OnnxSession()
        self.ready = True
        return True

    async def get_input_types(self):
        return [{"name": n, "datatype": t, "shape": sizes(s)} for n, (t, s) in self._session.inputs.items()]

    async def get_output_types(self):
        return [{"name": n, "datatype": t, "shape": sizes(s)} for n, (t, s) in self._session.outputs.items()]

    async def predict(self, payload, headers=None, response_headers=None):
        if self._session is None:  # a worker process gets the model as it was before load
            self.load()
        feeds = self.feeds(payload)
        asked = getattr(payload, "request_outputs", None)
        names = [each.name for each in asked] if asked else None
        if INLINE:
            results = self._session.run(feeds, names)
        else:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(None, self._session.run, feeds, names)
        if not isinstance(payload, InferRequest):
            return {"predictions": rows(results)}
        flags = {each.name: each.binary_data for each in asked or []}
        binary = {name: flags.get(name) if flags.get(name) is not None else payload.use_binary_outputs for name in results}
        outputs = [self.encode(name, value, binary[name]) for name, value in results.items()]
        # It refuses its own answer without an id.
        id = payload.id or str(uuid.uuid4())
        return InferResponse(id, self.name, outputs, use_binary_outputs=any(binary.values()))

    def feeds(self, payload):
        if isinstance(payload, InferRequest):
            return {each.name: each.as_numpy() for each in payload.inputs}
        instances = payload["instances"]
        if isinstance(instances[0], dict):
            return {
                name: np.asarray([row[name] for row in instances], NUMPY[datatype])
                for name, (datatype, _) in self._session.inputs.items()
            }
        name, (datatype, _) = next(iter(self._session.inputs.items()))
        return {name: np.asarray(instances, NUMPY[datatype])}

    @staticmethod
    def encode(name, value, binary):
        output = InferOutput(name, list(value.shape), PROTOCOL[value.dtype])
        output.set_data_from_numpy(value, binary_data=binary)
        return output

    def __getstate__(self):
        return {**self.__dict__, "_session": None}


def rows(results):
    columns = {name: value.tolist() for name, value in results.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


if __name__ == "__main__":
    model = OnnxModel(NAME)
    model.load()
    server = ModelServer(enable_latency_logging=False)
    # A line per request would only slow it down.
    for logger in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    server.start([model])
