from entrepot.metadata.sql import sql


def test_each_name_gets_one_number_on_postgresql_however_often_it_is_used() -> None:
    statement = sql("SELECT :b, :a, :b")
    assert statement.postgres == "SELECT $1, $2, $1"
    assert statement.for_postgres({"a": 1, "b": 2}) == [2, 1]


def test_a_cast_is_not_taken_for_a_parameter() -> None:
    assert sql("SELECT x::text, :y").postgres == "SELECT x::text, $1"


def test_locks_are_words_on_postgresql_and_nothing_on_sqlite() -> None:
    for word, meaning in (
        ("share", "FOR KEY SHARE"),
        ("update", "FOR UPDATE"),
        ("skip", "FOR UPDATE SKIP LOCKED"),
    ):
        statement = sql("SELECT 1 FROM t {share}") if word == "share" else None
        statement = statement or (
            sql("SELECT 1 FROM t {update}") if word == "update" else sql("SELECT 1 FROM t {skip}")
        )
        assert statement.postgres == f"SELECT 1 FROM t {meaning}"
        assert statement.sqlite == "SELECT 1 FROM t"


def test_a_list_is_one_parameter_on_postgresql() -> None:
    statement = sql("DELETE FROM t WHERE id {any:ids} AND k = :k")
    assert statement.postgres == "DELETE FROM t WHERE id = ANY($1) AND k = $2"
    assert statement.for_postgres({"ids": [1, 2], "k": "x"}) == [[1, 2], "x"]


def test_a_list_is_written_out_on_sqlite_to_a_power_of_two() -> None:
    text, spread = sql("SELECT 1 WHERE id {any:ids}").for_sqlite({"ids": [1, 2, 3]})
    assert text == "SELECT 1 WHERE id IN (:ids__0, :ids__1, :ids__2, :ids__3)"
    assert spread == {"ids__0": 1, "ids__1": 2, "ids__2": 3, "ids__3": None}


def test_an_empty_list_finds_nothing_on_sqlite() -> None:
    text, spread = sql("SELECT 1 WHERE id {any:ids}").for_sqlite({"ids": []})
    assert text == "SELECT 1 WHERE id IN (:ids__0)"
    assert spread == {"ids__0": None}


def test_without_a_list_text_and_parameters_stay_as_they_are() -> None:
    parameters = {"k": 1}
    text, same = sql("SELECT :k").for_sqlite(parameters)  # type: ignore[arg-type]
    assert text == "SELECT :k"
    assert same is parameters


def test_a_list_may_be_used_more_than_once() -> None:
    statement = sql("SELECT 1 WHERE a {any:ids} OR b {any:ids}")
    assert statement.for_sqlite({"ids": [7]}) == ("SELECT 1 WHERE a IN (:ids__0) OR b IN (:ids__0)", {"ids__0": 7})
    assert statement.postgres == "SELECT 1 WHERE a = ANY($1) OR b = ANY($1)"
