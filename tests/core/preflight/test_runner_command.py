import pytest

from atvm_pipeline.core.preflight.runner_command import (
    runs_as_another_user,
    runs_elsewhere,
    takes_other_specs,
)


@pytest.mark.parametrize(
    "command",
    [
        "cd e2e && npx cypress run",
        "(cd e2e; npx cypress run)",
        "bash -c 'cd e2e && run'",
        "pushd e2e && run",
        "env -C e2e run",
        "npm --prefix e2e run cy",
        "npm --prefix=e2e run cy",
        "yarn --cwd e2e cypress run",
        "npx cypress run --project e2e",
        "npx cypress run -P e2e",
        "/usr/bin/docker run cypress/included",
        "ssh host run",
    ],
)
def test_a_command_that_may_run_elsewhere_is_known(command: str) -> None:
    assert runs_elsewhere(command)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "python3 ./run-sorry-cypress.py --config_file cypress.cd.ts --build_name e2e-cd-docker-fc",
        "python3 run-ssh.py --projects a",
        "tools/cd/run",
        "sudo -u e2e run",
    ],
)
def test_any_other_command_runs_where_it_is_started(command: str) -> None:
    assert not runs_elsewhere(command)


def test_a_command_that_may_run_as_another_user_is_known() -> None:
    assert runs_as_another_user("sudo -u e2e npx cypress run")
    assert runs_as_another_user("bash -c 'su e2e -c run'")
    assert not runs_as_another_user("python3 sudoku.py --su-per")


@pytest.mark.parametrize(
    "command",
    [
        "npx cypress run --spec a.cy.ts",
        "npx cypress run --spec=a.cy.ts",
        "npx cypress run -s a.cy.ts",
        "bash -c \"npx cypress run --spec 'a'\"",
        "npx cypress run --config specPattern=a",
        'npx cypress run --config \'{"e2e": {"specPattern": "a"}}\'',
        "CYPRESS_SPEC_PATTERN=a npx cypress run",
    ],
)
def test_a_command_that_names_its_own_specs_is_known(command: str) -> None:
    assert takes_other_specs(command)


def test_an_environment_that_names_specs_is_known() -> None:
    assert takes_other_specs("run", ("PATH", "CYPRESS_SPEC_PATTERN"))
    assert takes_other_specs("run", ("CYPRESS_specPattern",))
    assert not takes_other_specs("bash -s run; x --specs a --no-spec", ("PATH", "CYPRESS_SPEC"))
