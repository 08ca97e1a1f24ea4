from service.engine.company import Rhythms


def test_nobody_is_expected_before_an_answer() -> None:
    rhythms = Rhythms(2.0)
    assert rhythms.expected(0.0) == {}
    rhythms.came("one", "a", 0.0)
    assert rhythms.expected(0.0) == {}


def test_whoever_got_an_answer_is_expected_for_a_while() -> None:
    rhythms = Rhythms(2.0)
    rhythms.came("one", "a", 0.0)
    rhythms.answered("one", 10.0)
    assert rhythms.expected(11.9) == {"a": 12.0}
    assert rhythms.expected(12.0) == {}


def test_the_last_one_of_a_bucket_is_waited_for() -> None:
    rhythms = Rhythms(2.0)
    for name, bucket, answered_at in [("one", "a", 10.0), ("two", "a", 11.0), ("six", "b", 9.5)]:
        rhythms.came(name, bucket, 0.0)
        rhythms.answered(name, answered_at)
    assert rhythms.expected(11.0) == {"a": 13.0, "b": 11.5}


def test_whoever_has_come_is_not_expected() -> None:
    rhythms = Rhythms(2.0)
    rhythms.came("one", "a", 0.0)
    rhythms.answered("one", 1.0)
    rhythms.came("one", "a", 2.0)
    assert rhythms.expected(2.0) == {}


def test_whoever_was_slow_is_not_expected_until_prompt_again() -> None:
    rhythms = Rhythms(2.0)
    rhythms.came("one", "a", 0.0)
    rhythms.answered("one", 1.0)
    rhythms.came("one", "a", 3.5)
    rhythms.answered("one", 4.0)
    assert rhythms.expected(4.0) == {}
    rhythms.came("one", "a", 6.0)
    rhythms.answered("one", 7.0)
    assert rhythms.expected(7.0) == {"a": 9.0}


def test_whoever_is_gone_is_forgotten() -> None:
    rhythms = Rhythms(2.0)
    rhythms.came("one", "a", 0.0)
    rhythms.forget("one")
    rhythms.answered("one", 1.0)
    assert rhythms.expected(1.0) == {}
