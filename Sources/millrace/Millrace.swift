import ArgumentParser

@main
struct Millrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "millrace",
        abstract: "Scores and windows live events in milliseconds, from a .sql file.",
        discussion: """
            A pipeline is a .sql file: CREATE TABLE for sources and sinks, CREATE MODEL, INSERT INTO ... SELECT.
            Errors go to standard error, results to standard output. Exit status: 0 done or drained after SIGINT or \
            SIGTERM, 1 failed, 2 the SQL file has errors, 64 wrong arguments.
            """,
        version: "millrace 0.1.0",
        subcommands: [
            Run.self, Check.self, ExplainCommand.self, Replay.self, Demo.self, ModelCommand.self, DocsCommand.self,
        ])
}
