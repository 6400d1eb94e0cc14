"""Kaggle, as its client sees it: the only file that imports `kaggle`. What the client says is judged by the response.

Busy or silent servers are asked again; whatever else goes wrong ends in one line.
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from core.refusal import Refusal, first_line

#: Seconds to wait before a request is tried again, doubled each time, and how often it is tried.
PAUSE, TRIES = 2.0, 7
KEY = "make a token at kaggle.com/settings and put it into ~/.kaggle/kaggle.json, or KAGGLE_USERNAME and KAGGLE_KEY"


class Lost(Exception):
    """A push was sent, and its answer did not come."""


class Session:
    """The user's account. Refuses: no client, or no credentials."""

    def __init__(self) -> None:
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                from kaggle.api.kaggle_api_extended import KaggleApi
                from requests import exceptions

                self.api, self.errors = KaggleApi(), exceptions
                self.api.authenticate()
        except ImportError as error:
            raise Refusal(f"needs Kaggle's client ({first_line(error)}); pip install -e '.[kaggle]'") from None
        except (SystemExit, ValueError, OSError):
            raise Refusal(f"has no key to Kaggle; {KEY}") from None
        self.user: str = self.api.get_config_value("username")

    def hours_left(self) -> float | None:
        """Of this week's GPU hours; None if Kaggle does not say."""
        quota = self._ask(self.api.quota_view).gpu_quota
        if not quota or quota.total_time_allowed is None:
            return None
        return (quota.total_time_allowed - (quota.time_used or timedelta())).total_seconds() / 3600

    def push(self, slug: str, script: str, datasets: list[str], folder: Path) -> int:
        """Send and start a script, written to `folder` with what describes it; the version's number.

        Raises:
            Lost: it may have arrived.
            Refusal: what Kaggle says against it; nothing of use was started."""
        about = {
            "id": f"{self.user}/{slug}",
            "title": slug,
            "code_file": "script.py",
            "language": "python",
            "kernel_type": "script",
            "is_private": True,
            "enable_gpu": True,
            "enable_internet": False,
            "machine_shape": "NvidiaTeslaT4",
            "dataset_sources": [f"{self.user}/{each}" for each in datasets],
        }
        (folder / "script.py").write_text(script, encoding="utf-8")
        (folder / "kernel-metadata.json").write_text(json.dumps(about), encoding="utf-8")
        answer = self._ask(lambda: self.api.kernels_push(str(folder)), once=True)
        invalid = [*answer.invalid_dataset_sources, *answer.invalid_kernel_sources]
        invalid += [*answer.invalid_model_sources, *answer.invalid_competition_sources]
        if invalid:
            began = "; the session that it started without them ends by itself" if answer.version_number else ""
            advice = "run make kaggle-data and make kaggle-weights again"
            raise Refusal(f"Kaggle does not know {', '.join(invalid)}; {advice}{began}")
        if answer.error or not answer.version_number:
            raise Refusal(f"Kaggle refused the push: {first_line(ValueError(answer.error or 'no version was made'))}")
        return answer.version_number

    def status(self, slug: str, version: int | None = None) -> tuple[str, str] | None:
        """(QUEUED, RUNNING, COMPLETE, ERROR, …, what Kaggle says of a failure); None if there is no such script."""
        name = f"{self.user}/{slug}" + (f"/{version}" if version else "")
        answer = self._ask(lambda: self.api.kernels_status(name), or_none=True)
        return (answer.status.name, answer.failure_message or "") if answer else None

    def output(self, slug: str, version: int, folder: Path) -> str:
        """Fetch run.tar and verdict.json, if they are there, to `folder`; the log's text."""
        name, pattern = f"{self.user}/{slug}/{version}", r"^(run\.tar|verdict\.json)$"
        # asked again as a whole: the addresses of files expire
        self._ask(lambda: self.api.kernels_output(name, str(folder), pattern, force=True), or_none=True, again=(403,))
        log = folder / f"{slug}.log"
        text = log.read_text(encoding="utf-8") if log.is_file() else "[]"
        with contextlib.suppress(ValueError, TypeError, KeyError):
            return "".join(part["data"] for part in json.loads(text))
        return text

    def has_dataset(self, slug: str) -> str:
        """A dataset's state (ready, pending, …); empty if there is none."""
        return self._ask(lambda: self.api.dataset_status(f"{self.user}/{slug}"), or_none=True) or ""

    def create_dataset(self, slug: str, folder: Path) -> None:
        """A private dataset of what is in `folder`, whose folders arrive as they are."""
        about = {"id": f"{self.user}/{slug}", "title": slug, "licenses": [{"name": "other"}]}
        (folder / "dataset-metadata.json").write_text(json.dumps(about), encoding="utf-8")
        answer = self._ask(lambda: self.api.dataset_create_new(str(folder), public=False, quiet=True, dir_mode="zip"))
        if answer.error:
            raise Refusal(f"Kaggle refused the dataset {slug}: {first_line(ValueError(answer.error))}")

    def _ask(
        self, request: Callable[[], Any], once: bool = False, or_none: bool = False, again: tuple[int, ...] = ()
    ) -> Any:
        """Its answer. Asked again while Kaggle is busy (429), or broken or out of reach, which `once` is told to raise
        as Lost, for then it may have arrived; `or_none`: None where there is no such thing."""
        pause = PAUSE
        for left in reversed(range(TRIES)):
            try:
                with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                    return request()
            except self.errors.HTTPError as error:
                code = error.response.status_code if error.response is not None else 0
                if or_none and code in (403, 404) and code not in again:
                    return None
                if once and code >= 500:
                    raise Lost from None
                if (code < 500 and code not in (429, *again)) or not left:
                    raise _refused(code, error) from None
            except (self.errors.ConnectionError, self.errors.Timeout, self.errors.ChunkedEncodingError) as error:
                if once:
                    raise Lost from None
                if not left:
                    raise Refusal(f"Kaggle does not answer ({first_line(error)}); the same command goes on") from None
            except ValueError as error:  # what the client itself says against a request
                code = getattr(getattr(error.__context__, "response", None), "status_code", 0)
                if code == 401:
                    raise _refused(code, error) from None
                if or_none and code == 403:
                    return None
                raise Refusal(f"Kaggle's client: {first_line(error)}") from None
            except (KeyError, TypeError, AttributeError) as error:  # an answer that the client does not understand
                if once:
                    raise Lost from None
                raise Refusal(f"Kaggle's client does not understand an answer ({error!r}); try again later") from None
            time.sleep(pause)
            pause *= 2
        raise AssertionError


def _refused(code: int, error: Exception) -> Refusal:
    if code == 401:
        return Refusal(f"Kaggle does not accept the key ({first_line(error)}); {KEY}")
    busy = "; the same command goes on" if code == 429 or code >= 500 else ""
    return Refusal(f"Kaggle said {code}: {_message(error)}{busy}")


def _message(error: Exception) -> str:
    """What Kaggle's answer holds, or the error's own words."""
    with contextlib.suppress(ValueError, AttributeError, TypeError, KeyError):
        return str(error.response.json()["message"]).splitlines()[0][:200]  # type: ignore[attr-defined]
    return first_line(error)
