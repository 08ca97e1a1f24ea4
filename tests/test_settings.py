"""Settings come from the environment, and a wrong one is named in one line."""

import pytest
from pydantic import ValidationError

from service.settings import Settings, SettingsError


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()


def test_variables_without_the_prefix_are_ignored() -> None:
    assert Settings.from_env({"PORT": "1", "PATH": "/bin"}) == Settings()


def test_values_are_read_in_their_own_types() -> None:
    environ = {
        "MASKD_PORT": "0",
        "MASKD_MODELS": "mask_rcnn_demo, mask_rcnn_r50_fpn",
        "MASKD_DEADLINE_S": "2.5",
        "MASKD_LOG_FORMAT": "json",
    }
    settings = Settings.from_env(environ)
    assert settings.port == 0
    assert settings.models == ("mask_rcnn_demo", "mask_rcnn_r50_fpn")
    assert settings.deadline_s == 2.5
    assert settings.log_format == "json"


def test_the_tests_own_variable_is_no_setting() -> None:
    assert Settings.from_env({"MASKD_REFERENCE_DIR": "anywhere"}) == Settings()


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MASKD_PORT", "eighty", "MASKD_PORT: input should be a valid integer"),
        ("MASKD_PORT", "65536", "MASKD_PORT: input should be less than or equal to 65535"),
        ("MASKD_PORT", "", "MASKD_PORT: input should be a valid integer"),
        ("MASKD_HOST", "", "MASKD_HOST: string should have at least 1 character"),
        ("MASKD_MODELS", " , ", "MASKD_MODELS: tuple should have at least 1 item"),
        ("MASKD_MODELS", "a,b,a", "MASKD_MODELS: a name is given twice"),
        ("MASKD_DTYPE", "float8", "MASKD_DTYPE: input should be 'float32'"),
        ("MASKD_DEADLINE_S", "0", "MASKD_DEADLINE_S: input should be greater than 0"),
        ("MASKD_CODEC_THREADS", "0", "MASKD_CODEC_THREADS: input should be greater than or equal"),
        ("MASKD_MAX_BUFFERED_BYTES", "9", "must not be less than MASKD_MAX_BODY_BYTES"),
        ("MASKD_MAX_BODY_BYTES", "999999999", "must not be less than MASKD_MAX_BODY_BYTES"),
        ("MASKD_MAX_VIDEO_BYTES", "999999999", "must not be less than MASKD_MAX_VIDEO_BYTES"),
        ("MASKD_MAX_QUEUE_MEGAPIXELS", "9", "must not be more than MASKD_MAX_QUEUE_MEGAPIXELS"),
        ("MASKD_WARM_UP_SIZES", "640", "MASKD_WARM_UP_SIZES: width x height expected"),
        ("MASKD_WARM_UP_SIZES", "0x9", "MASKD_WARM_UP_SIZES: width x height expected"),
        ("MASKD_WEIGHTS_URLS", "aot_t", "MASKD_WEIGHTS_URLS: variant=URL expected"),
        ("MASKD_PROT", "1", "MASKD_PROT: there is no such setting; did you mean MASKD_PORT?"),
        ("MASKD_ZZZZZZZZZ", "1", "MASKD_ZZZZZZZZZ: there is no such setting"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_settings_are_named_together() -> None:
    with pytest.raises(SettingsError, match=r"MASKD_HOST.*; MASKD_PORT"):
        Settings.from_env({"MASKD_PORT": "x", "MASKD_HOST": ""})


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
