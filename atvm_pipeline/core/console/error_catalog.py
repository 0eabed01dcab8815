"""The first lines of the errors that end a run of Cypress, and the reason code of each.

Compiled from both sources of Cypress 12.17.4: `packages/errors/src/errors.ts` and the command line tool's
`lib/errors.js`; `docs/cypress-errors.md` lists them all. Texts that Cypress prints as a warning are not included.
"""

RUN, SPEC, WHERE = "run", "spec", "where"
"""The scope that an error ends: the run, the open spec, or the open spec if there is one and else the run."""

SERVER_ERROR = "record-server-error"
"""The one error that a retry may follow; then it is not an error."""
SIGNALLED = "cypress-signalled"
HEAP_EXHAUSTED = "heap-exhausted"
AUTOMATION_LOST = "automation-lost"

ERROR_TABLE: tuple[tuple[str, str, str], ...] = (
    # before (Run Starting): nothing runs
    ("Can't run because no spec files were found.", "no-specs-found", RUN),
    ("Can't run because you've entered an invalid browser name.", "browser-not-found", RUN),
    ("The specified browser was not found on your system", "browser-not-found", RUN),
    ("We could not identify a known browser at the path", "browser-not-found", RUN),
    ("Your configFile is invalid:", "config-invalid", RUN),
    ("Your configFile at ", "config-invalid", RUN),
    ("Your configFile as ", "config-invalid", RUN),
    ("Your configFile threw a validation error from:", "config-invalid", RUN),
    ("Your configFile threw an error from:", "plugin-error", WHERE),
    ("Could not find a Cypress configuration file", "config-invalid", RUN),
    ("Could not load a Cypress configuration file", "config-invalid", RUN),
    ("There is both a cypress.config", "config-invalid", RUN),
    ("There is a cypress.json file at the path:", "config-invalid", RUN),
    ("There were multiple support files found matching your supportFile pattern.", "config-invalid", RUN),
    ("An invalid configuration value was set", "config-invalid", RUN),
    ("You are attempting to use Cypress with an older config file:", "config-invalid", RUN),
    ("The returned value of the devServer function is not valid.", "config-invalid", RUN),
    (
        "To run component tests, Cypress needs you to configure the dev-server:start event.",
        "config-invalid",
        RUN,
    ),
    ("Your project does not contain a default supportFile.", "config-invalid", RUN),
    ("Your supportFile is missing or invalid:", "config-invalid", RUN),
    ("The testing type selected (", "config-invalid", RUN),
    ("Cypress failed to verify that your server is running.", "server-unreachable", RUN),
    ("No version of Cypress is installed in:", "cypress-not-installed", RUN),
    (
        "The cypress npm package is installed, but the Cypress binary is missing.",
        "cypress-not-installed",
        RUN,
    ),
    ("Cypress verification failed.", "cypress-not-installed", RUN),
    ("Cypress verification timed out.", "cypress-not-installed", RUN),
    ("Cypress failed to start.", "cypress-not-installed", RUN),
    ("Your system is missing the dependency: Xvfb", "dependency-missing", RUN),
    (
        "Cypress cannot run because this binary file does not have executable permissions here:",
        "cypress-not-installed",
        RUN,
    ),
    ("Cypress cannot write to the cache directory due to file permissions", "cypress-not-installed", RUN),
    ("Could not run binary set by environment variable: CYPRESS_RUN_BINARY=", "cypress-not-installed", RUN),
    ("Installed version does not match package version.", "cypress-not-installed", RUN),
    ("The Cypress App could not be ", "cypress-not-installed", RUN),
    ("An unexpected error occurred while verifying the Cypress executable.", "cypress-not-installed", RUN),
    ("Xvfb exited with a non zero exit code.", "xvfb-failed", RUN),
    # the runner command
    ("Invalid --project path", "arguments-invalid", RUN),
    ("Invalid testingType", "arguments-invalid", RUN),
    ("`--headed` and `--headless` cannot both be passed.", "arguments-invalid", RUN),
    ("`--e2e` and `--component` cannot both be passed.", "arguments-invalid", RUN),
    ("`--config-file` cannot be false.", "arguments-invalid", RUN),
    ("Set a `testingType` and also passed `--e2e` or `--component` flags.", "arguments-invalid", RUN),
    ("Cypress encountered an error while parsing the argument:", "arguments-invalid", RUN),
    ("Can't find a project at the path:", "arguments-invalid", RUN),
    # rare errors, whose line is quoted
    ("Unknown Cypress CLI error", "cypress-error", RUN),
    ('The environment variable with the reserved name "CYPRESS_INTERNAL_ENV" is set.', "cypress-error", RUN),
    ("We have detected an unknown or unsupported CYPRESS_INTERNAL_ENV value:", "cypress-error", RUN),
    ("Can't find projectId in the config file:", "cypress-error", RUN),
    ("Can't find project's secret key.", "cypress-error", RUN),
    ("Can't create project's secret key.", "cypress-error", RUN),
    ("Can't run project because port is currently in use:", "cypress-error", RUN),
    ("Error reading from:", "cypress-error", RUN),
    ("Error writing to:", "cypress-error", RUN),
    ("A minimum CDP version of ", "cypress-error", RUN),
    ("Cypress does not support running ", "cypress-error", RUN),
    ("Error loading the reporter:", "reporter-error", RUN),
    # the recording server, before (Run Starting)
    ("You passed the --record flag but did not provide us your Record Key.", "record-key-invalid", RUN),
    ("Your Record Key ", "record-key-invalid", RUN),
    (
        "You passed the --record flag but this project has not been setup to record.",
        "record-project-unknown",
        RUN,
    ),
    ("We could not find a Cypress Cloud project with the projectId:", "record-project-unknown", RUN),
    ("We could not find a Cypress Dashboard project with the projectId:", "record-project-unknown", RUN),
    ("You passed the --group flag, but this group name has already been used", "record-group-used", RUN),
    ("You passed the --parallel flag, but", "record-parallel-invalid", RUN),
    ("You did not pass the --parallel flag, but this run's group", "record-parallel-invalid", RUN),
    ("You are attempting to pass the --parallel flag to a run that was completed", "record-run-stale", RUN),
    ("The run you are attempting to access is already complete", "record-run-stale", RUN),
    ("You passed the --group or --parallel flag but we could not", "record-flags-invalid", RUN),
    (
        "You passed the --auto-cancel-after-failures flag, but this run originally started with",
        "record-flags-invalid",
        RUN,
    ),
    ("You passed the --ci-build-id flag", "record-flags-invalid", RUN),
    ("You passed the --ci-build-id, --group,", "record-flags-invalid", RUN),
    ("Recording this run failed.", SERVER_ERROR, RUN),
    # "You've exceeded the limit ..." is printed above it, and above the warning of a grace period too.
    ("To continue recording tests this month you must upgrade your account.", "record-plan-exceeded", RUN),
    ("Grouping is not included under your current billing plan.", "record-plan-exceeded", RUN),
    ("Parallelization is not included under your current billing plan.", "record-plan-exceeded", RUN),
    ("Auto Cancellation is not included under your current billing plan.", "record-plan-exceeded", RUN),
    # the recording server, at any time; held until the next lines show whether Cypress retries
    ("We encountered an unexpected error communicating with our servers.", SERVER_ERROR, RUN),
    ("We encountered an unexpected error talking to our servers.", SERVER_ERROR, RUN),
    # one spec is lost, the run continues
    ("Oops...we found an error preparing this test file:", "spec-compile-error", SPEC),
    (
        "The browser never connected. Something is wrong. The tests cannot run. Aborting...",
        "browser-not-connected",
        SPEC,
    ),
    # the run is aborted, unless it continues
    ("There was an error reconnecting to the Chrome DevTools protocol.", AUTOMATION_LOST, RUN),
    ("The automation client disconnected. Cannot continue running tests.", AUTOMATION_LOST, RUN),
    ("<--- Last few GCs --->", HEAP_EXHAUSTED, RUN),
    # the run is aborted
    ("An error was thrown in your plugins file while executing the handler for the", "plugin-error", RUN),
    ("The launchOptions object returned by your plugin's before:browser:launch handler", "plugin-error", RUN),
    ("Cypress failed to make a connection to the Chrome DevTools Protocol", "browser-not-connected", RUN),
    ("Cypress failed to make a connection to Firefox.", "browser-not-connected", RUN),
    ("Cypress could not connect to Firefox.", "browser-not-connected", RUN),
)
