import pytest

from skvideo_gru.mlops.registry import check_register


@pytest.mark.parametrize("register", ["a/b", "a:b", "@new", "..", "doors@v1", "doors@a b"])
def test_names_that_mlflow_refuses(register):
    with pytest.raises(ValueError, match="is not a valid (model name|alias)"):
        check_register(register)
