"""A BentoML service that answers this protocol's infer path; BentoML has no protocol of its own for it."""
import os

import bentoml
import numpy as np

from onnx_session import NAME, NUMPY, PROTOCOL, OnnxSession


@bentoml.service(
    name="peer",
    workers=int(os.environ.get("PEER_WORKERS", "1")),
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
class Peer:
    def __init__(self):
        self._session = OnnxSession()

    @bentoml.api(route=f"/v2/models/{NAME}/infer")
    def infer(self, inputs: list[dict], id: str = "") -> dict:
        feeds = {
            each["name"]: np.asarray(each["data"], NUMPY[each["datatype"]]).reshape(each["shape"]) for each in inputs
        }
        outputs = [
            {"name": n, "datatype": PROTOCOL[v.dtype], "shape": list(v.shape), "data": v.reshape(-1).tolist()}
            for n, v in self._session.run(feeds).items()
        ]
        return {"model_name": NAME, "id": id, "outputs": outputs}
