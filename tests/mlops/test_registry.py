import mlflow
import pytest
from mlflow.models import Model

from skvideo_gru.mlops.registry import check_register, fetch_model


@pytest.mark.parametrize("register", ["a/b", "a:b", "@new", "..", "doors@v1", "doors@a b"])
def test_names_that_mlflow_refuses(register):
    with pytest.raises(ValueError, match="is not a valid (model name|alias)"):
        check_register(register)


def test_a_model_of_another_flavour_is_named(tmp_path):
    class Constant(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input):
            return 0

    folder = tmp_path / "constant"
    mlflow.pyfunc.save_model(folder, python_model=Constant(), pip_requirements=[])
    with pytest.raises(ValueError, match="constant: not a scikit-learn .* python_function"):
        fetch_model(str(folder), str(tmp_path / "copy"))
    # A model that has no function, such as one that R has logged.
    Model(flavors={"crate": {"version": "1"}}).save(folder / "MLmodel")
    with pytest.raises(ValueError, match="constant: not a scikit-learn .* flavours crate"):
        fetch_model(str(folder), str(tmp_path / "copy2"))
