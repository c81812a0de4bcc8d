"""What the servers' model classes share: one onnxruntime session, set up as ours is."""
import os

import numpy as np
import onnxruntime

NUMPY = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "BYTES": np.object_,
}
PROTOCOL = {np.dtype(dtype): name for name, dtype in NUMPY.items()}
ONNX = {
    "tensor(bool)": "BOOL", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64", "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}

NAME = os.environ["PEER_MODEL_NAME"]
# A model this small runs faster on the server's loop than in a thread.
INLINE = os.environ.get("PEER_INLINE") == "true"


class OnnxSession:
    """The model of PEER_MODEL_PATH."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("PEER_THREADS", "1"))
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = os.environ["PEER_MODEL_PATH"]
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name: (ONNX[i.type], i.shape) for i in self._session.get_inputs()}
        self.outputs = {
            o.name: (ONNX[o.type], o.shape) for o in self._session.get_outputs() if o.type in ONNX
        }

    def run(self, feeds, names=None):
        """The outputs by name, in the order of the model or of `names`."""
        wanted = list(names or self.outputs)
        return dict(zip(wanted, self._session.run(wanted, feeds)))


def sizes(shape):
    """An onnxruntime shape in the protocol's words."""
    return [size if isinstance(size, int) else -1 for size in shape]
