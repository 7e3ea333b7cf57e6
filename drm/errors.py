"""The errors that drm raises. All derive from `DRMError`; each message names the value, the rule and the remedy."""


class DRMError(Exception):
    """Root of every error of this package."""


class InvalidValueError(DRMError, ValueError):
    """A value breaks a rule that its message states."""


class FutureError(InvalidValueError):
    """A moment that no tick has reached yet."""


class UnknownIdError(DRMError, KeyError):
    """No worker, task, reservation or decision has this id."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a sentence must stay a sentence.
        return str(self.args[0]) if self.args else ""


class DuplicateIdError(InvalidValueError):
    """The id is taken by a live worker."""


class CapacityError(DRMError):
    """Nothing fits *now*; the same request may fit later."""


class InfeasibleError(DRMError):
    """Nothing that the pool has or could launch will *ever* fit."""


class QueueFull(DRMError):
    """The queue holds as many tasks as it may."""


class EngineError(DRMError):
    """The engine cannot do what was asked, or does not answer."""


class ProviderError(DRMError):
    """A cloud provider cannot do what was asked, or does not answer."""


class NoInstancesError(ProviderError):
    """The provider has no more machines of that type now, or grants no more of them; another type may do."""


class ThrottledError(ProviderError):
    """The provider was asked too often. It has done nothing: the same call may be made again, later."""


class NoAnswerError(ProviderError):
    """The provider did not answer. Whether it has done what it was asked to is not known."""


class CredentialsError(ProviderError):
    """The provider does not accept the credentials that its own chain found, or found none."""


class TaskError(DRMError):
    """A task ended without a result: it was lost, cancelled, or its outcome could not travel."""


class HistoryError(DRMError):
    """History cannot be kept or read there."""


class HeldError(HistoryError):
    """Another program keeps the history there."""


class CopyBusyError(HistoryError):
    """A copy of the history is made already; there is one at a time."""


class NoRoomError(HistoryError):
    """There is too little room on the disk for a copy of the history."""
