"""MLServer has no ONNX runtime of its own: this is the custom runtime its documentation describes."""
import asyncio

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor

from onnx_session import INLINE, OnnxSession, sizes


class OnnxModel(MLModel):
    async def load(self) -> bool:
        self._session = OnnxSession()
        self.inputs = [MetadataTensor(name=n, datatype=t, shape=sizes(s)) for n, (t, s) in self._session.inputs.items()]
        self.outputs = [MetadataTensor(name=n, datatype=t, shape=sizes(s)) for n, (t, s) in self._session.outputs.items()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        names = [each.name for each in payload.outputs] if payload.outputs else None
        if INLINE:
            results = self._session.run(feeds, names)
        else:
            loop = asyncio.get_running_loop()
            results = await loop.run_in_executor(None, self._session.run, feeds, names)
        outputs = [encode(name, value) for name, value in results.items()]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def encode(name, value):
    if value.dtype == object:
        return StringCodec.encode_output(name, value.reshape(-1).tolist())
    return NumpyCodec.encode_output(name, value)
