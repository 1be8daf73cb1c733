from entrepot.auth.recent import Recent


def test_it_never_holds_more_than_its_size_and_lets_the_oldest_go() -> None:
    memory: Recent[int, str] = Recent(2)
    memory.put(1, "one")
    memory.put(2, "two")
    memory.put(1, "one again")
    memory.put(3, "three")
    assert (memory.get(1), memory.get(2), memory.get(3), len(memory)) == ("one again", None, "three", 2)


def test_what_is_cleared_is_gone() -> None:
    memory: Recent[int, str] = Recent(2)
    memory.put(2, "two")
    memory.clear()
    assert len(memory) == 0
