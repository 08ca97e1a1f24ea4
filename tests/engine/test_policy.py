import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from service.engine.policy import Expire, Limits, Run, Wait, decide

LIMITS = Limits(max_batch_size=3, max_wait_ms=1000.0)


@dataclass(frozen=True, eq=False)
class Waiting:
    bucket: str
    queued_at: float = 0.0
    deadline: float = math.inf


def queue_of(buckets: str) -> list[Waiting]:
    return [Waiting(bucket) for bucket in buckets]


def test_an_empty_queue_waits_for_ever() -> None:
    assert decide([], [], 0.0, idle=1, busy=0, limits=LIMITS) == Wait(math.inf)


def test_an_idle_model_runs_its_oldest_job_at_once() -> None:
    queue = queue_of("a")
    assert decide(queue, [], 0.0, idle=1, busy=0, limits=LIMITS) == Run((queue[0],), "idle")


def test_a_batch_holds_one_bucket_oldest_first() -> None:
    queue = queue_of("abab")
    decision = decide(queue, [], 0.0, idle=1, busy=0, limits=LIMITS)
    assert decision == Run((queue[0], queue[2]), "idle")


def test_a_batch_stops_at_its_limit() -> None:
    queue = queue_of("aaaa")
    assert decide(queue, [], 0.0, idle=1, busy=0, limits=LIMITS) == Run(tuple(queue[:3]), "full")


def test_nothing_starts_without_an_idle_replica() -> None:
    queue = [Waiting("a", deadline=9.0)]
    assert decide(queue, [], 5.0, idle=0, busy=1, limits=LIMITS) == Wait(9.0)


def test_jobs_gather_while_one_replica_runs_and_another_is_free() -> None:
    queue = [Waiting("a", queued_at=2.0)]
    assert decide(queue, [], 2.5, idle=1, busy=1, limits=LIMITS) == Wait(3.0)
    assert decide(queue, [], 3.0, idle=1, busy=1, limits=LIMITS) == Run((queue[0],), "waited")


def test_a_full_batch_need_not_gather() -> None:
    queue = queue_of("baaa")
    decision = decide(queue, [], 0.5, idle=1, busy=1, limits=LIMITS)
    assert decision == Run(tuple(queue[1:]), "full")


def test_the_oldest_goes_before_a_full_batch_once_it_has_waited() -> None:
    queue = queue_of("baaa")
    decision = decide(queue, [], 1.0, idle=1, busy=1, limits=LIMITS)
    assert decision == Run((queue[0],), "waited")


def test_gathering_ends_with_the_next_deadline() -> None:
    queue = [Waiting("a"), Waiting("b", deadline=0.75)]
    assert decide(queue, [], 0.5, idle=1, busy=1, limits=LIMITS) == Wait(0.75)


def test_whoever_is_late_ends_waiting_or_running() -> None:
    queue = [Waiting("a", deadline=5.0), Waiting("a", deadline=5.1)]
    running = [Waiting("a", deadline=4.0), Waiting("a", deadline=6.0)]
    decision = decide(queue, running, 5.0, idle=1, busy=1, limits=LIMITS)
    assert decision == Expire((queue[0], running[0]))


def test_running_jobs_are_looked_at_again_at_their_deadline() -> None:
    running = [Waiting("a", deadline=4.0)]
    assert decide([], running, 1.0, idle=0, busy=1, limits=LIMITS) == Wait(4.0)


def test_an_idle_model_waits_for_those_who_are_expected() -> None:
    queue, company = queue_of("a"), {"a": 3.0, "b": 9.0}
    look = partial(decide, queue, [], idle=1, busy=0, limits=replace(LIMITS, company=company))
    assert look(2.5) == Wait(3.0)
    assert look(3.0) == Run((queue[0],), "idle")


def test_a_full_batch_waits_for_nobody() -> None:
    queue = queue_of("aaa")
    decision = decide(queue, [], 0.0, idle=1, busy=0, limits=replace(LIMITS, company={"a": 3.0}))
    assert decision == Run(tuple(queue), "full")


def test_a_bucket_that_expects_nobody_goes_before_one_that_gathers() -> None:
    queue = queue_of("aba")
    look = partial(decide, queue, [], idle=1, busy=0, limits=replace(LIMITS, company={"a": 3.0}))
    assert look(1.0) == Run((queue[1],), "idle")
    assert look(3.0) == Run((queue[0], queue[2]), "idle")


def test_gathering_ends_with_the_deadline_of_whoever_waits() -> None:
    queue = [Waiting("a", deadline=2.0)]
    decision = decide(queue, [], 1.0, idle=1, busy=0, limits=replace(LIMITS, company={"a": 3.0}))
    assert decision == Wait(2.0)


waiting = st.builds(
    Waiting,
    bucket=st.sampled_from("abc"),
    queued_at=st.floats(0, 10),
    deadline=st.floats(0, 30) | st.just(math.inf),
)
queues = st.lists(waiting, max_size=12).map(lambda jobs: sorted(jobs, key=lambda j: j.queued_at))
limits_of_any_kind = st.builds(Limits, st.integers(1, 4), st.floats(0, 5000))
moments = st.floats(10, 20)
counts = st.integers(0, 3)
companies = st.dictionaries(st.sampled_from("abc"), st.floats(0, 30))


@given(queues, moments, limits_of_any_kind, companies)
def test_an_idle_model_gathers_only_while_somebody_is_expected(
    queue: list[Waiting], now: float, limits: Limits, company: dict[str, float]
) -> None:
    queue = [Waiting(job.bucket, job.queued_at) for job in queue]
    decision = decide(queue, [], now, idle=1, busy=0, limits=replace(limits, company=company))
    done = [job for job in queue if company.get(job.bucket, 0.0) <= now]
    counts = Counter(job.bucket for job in queue)
    full = [bucket for bucket in counts if counts[bucket] >= limits.max_batch_size]
    if isinstance(decision, Run):
        first = decision.jobs[0]
        assert first.bucket in full or first is done[0]
        earlier = queue[: queue.index(first)]
        assert not any(job in done or job.bucket in full for job in earlier)
    else:
        assert isinstance(decision, Wait)
        assert not done
        assert not full
        assert decision.until == min((company[job.bucket] for job in queue), default=math.inf)


@given(queues, queues, moments, counts, counts, limits_of_any_kind)
def test_every_decision_keeps_the_rules(
    queue: list[Waiting],
    running: list[Waiting],
    now: float,
    idle: int,
    busy: int,
    limits: Limits,
) -> None:
    decision = decide(queue, running, now, idle=idle, busy=busy, limits=limits)
    late = [job for job in (*queue, *running) if job.deadline <= now]
    if late:
        assert decision == Expire(tuple(late))
    elif isinstance(decision, Run):
        assert idle
        assert 1 <= len(decision.jobs) <= limits.max_batch_size
        bucket = [job for job in queue if job.bucket == decision.jobs[0].bucket]
        assert list(decision.jobs) == bucket[: len(decision.jobs)]
        has_waited = now >= queue[0].queued_at + limits.max_wait_ms / 1e3
        assert decision.jobs[0] is queue[0] or (busy and not has_waited)
    else:
        assert isinstance(decision, Wait)
        assert decision.until > now
        has_waited = bool(queue) and now >= queue[0].queued_at + limits.max_wait_ms / 1e3
        assert not (queue and idle and (has_waited or not busy))


@given(limits_of_any_kind, st.lists(st.floats(0.01, 1.0), min_size=1), st.integers(0, 2))
def test_no_flood_of_full_batches_starves_a_lone_job(
    limits: Limits, pauses: list[float], busy: int
) -> None:
    lone = Waiting("lone")
    now = 0.0
    for pause in pauses:
        flood = [Waiting("flood") for _ in range(limits.max_batch_size)]
        decision = decide([lone, *flood], [], now, idle=1, busy=busy, limits=limits)
        assert isinstance(decision, Run)
        if lone in decision.jobs:
            return
        assert now < limits.max_wait_ms / 1e3
        now += pause


@given(queues, st.integers(1, 3), limits_of_any_kind)
def test_a_queue_left_to_itself_empties_in_order(
    queue: list[Waiting], replicas: int, limits: Limits
) -> None:
    queue = [Waiting(job.bucket, job.queued_at) for job in queue]
    order: list[Waiting] = []
    now = 10.0
    for _ in range(2 * len(queue)):  # each job costs a wait and a run at most
        decision = decide(queue, [], now, idle=1, busy=replicas - 1, limits=limits)
        if isinstance(decision, Run):
            order += decision.jobs
            queue = [job for job in queue if job not in decision.jobs]
        elif isinstance(decision, Wait):
            now = decision.until
    assert not queue
    for bucket in "abc":
        times = [job.queued_at for job in order if job.bucket == bucket]
        assert times == sorted(times)
