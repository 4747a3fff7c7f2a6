public import ArgumentParser
import Glibc
import MillraceCore
public import MillraceDemo
import MillraceObservability
import MillraceRuntime

struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a live pipeline on an embedded broker and a private PostgreSQL.",
        discussion: DemoScenario.allCases.map { "\($0.rawValue): \($0.summary)" }.joined(separator: "\n"))

    @Argument(help: ArgumentHelp("Which one: \(DemoScenario.allCases.map(\.rawValue).joined(separator: ", "))."))
    var scenario: DemoScenario = .fraud

    @Option(help: "Events a second that the generator offers.")
    var rate: Int = 1000

    @Option(help: ArgumentHelp("Seconds to run; without it until Ctrl-C.", valueName: "seconds"))
    var duration: Int?

    @Flag(help: "Print a line a second even on a terminal.")
    var plain = false

    func validate() throws {
        guard (1...200_000).contains(rate) else { throw ValidationError("--rate takes 1 to 200000 events a second") }
        if let duration, duration < 1 { throw ValidationError("--duration takes at least 1 second") }
    }

    func run() throws {
        let signals = StopSignals(hangup: true)
        var options = MillraceDemo.Demo.Options()
        options.scenario = scenario
        options.eventsPerSecond = rate
        options.seconds = duration
        options.isTerminal = isatty(STDOUT_FILENO) == 1 && !plain
        // On the screen the counts of dead letters say it; a line between two frames would tear it.
        options.log = LogSetup.standardError(level: options.isTerminal ? .error : .warning)
        do {
            let demo = try MillraceDemo.Demo(options) { Console.raw($0) }
            try demo.run { milliseconds, finished in
                switch signals.wait(finished: finished, milliseconds: milliseconds) {
                case .timeout, .request: .timeout
                case .finished: .finished
                case .signal(SIGINT): .interrupted
                case .signal: .terminated
                }
            }
        } catch {
            Console.error(error.rendered(file: "", source: ""))
            throw ExitCode(1)
        }
    }
}

extension DemoScenario: ExpressibleByArgument {}
