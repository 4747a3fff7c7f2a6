import ArgumentParser
import Glibc
import MillraceCore
import MillraceEngine
import MillraceObservability
import MillraceRuntime

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute stored predictions again and compare them with the tables they are stored in.",
        discussion: """
            Reads a part of the pipeline's Kafka topic through the same operators and models, and looks each row up in the \
            PostgreSQL table that the pipeline writes, by the columns with the record's partition and offset, else by \
            PRIMARY KEY. Prints a line for each row that is not stored as it was computed, then a summary a table. Writes \
            nothing, and does not disturb a running pipeline. Exit status: 0 every row is confirmed, 1 something differs, is \
            missing or was scored by another version of the model, 2 the file has errors or the rows cannot be compared.
            """)

    @OptionGroup var pipeline: PipelineArguments

    @Option(
        name: .customLong("from"),
        help: ArgumentHelp(
            "First record to compare; once for each partition that is.", valueName: "partition:offset"),
        transform: Replay.place)
    var starts: [ReplayRequest.Place]

    @Option(
        name: .customLong("to"),
        help: ArgumentHelp(
            "First record not to compare any more; by default a partition is read to its end.",
            valueName: "partition:offset"), transform: Replay.place)
    var ends: [ReplayRequest.Place] = []

    @Option(
        help: ArgumentHelp(
            "From where rows are read that only build the history of OVER: earliest, or once for each partition.",
            valueName: "partition:offset"))
    var history: [String] = []

    @Option(
        name: .customLong("table"),
        help: "Compare this table of the pipeline; may be repeated. By default all that hold predictions.")
    var tables: [String] = []

    @Option(
        name: .customLong("ignore"),
        help: "A column not to compare; may be repeated. Latencies and the time of day are left out by themselves.")
    var ignored: [String] = []

    @Option(
        help: """
            How far DOUBLE and FLOAT values may be apart, times their size where that is above 1. 0: equal to the last bit, \
            as models that are evaluated natively are.
            """)
    var tolerance: Double = 0

    private static func place(_ text: String) throws -> ReplayRequest.Place {
        guard let place = ReplayRequest.Place(text) else {
            throw ValidationError("write partition:offset, such as 0:1500")
        }
        return place
    }

    private func pastRows() throws -> ReplayRequest.History? {
        if history.isEmpty { return nil }
        if history == ["earliest"] { return .earliest }
        return .places(
            try history.map { text in
                guard let place = ReplayRequest.Place(text) else {
                    throw ValidationError("--history takes earliest, or partition:offset")
                }
                return place
            })
    }

    func validate() throws {
        guard !starts.isEmpty else { throw ValidationError("--from partition:offset is missing") }
        guard tolerance >= 0 else { throw ValidationError("--tolerance takes 0 or more") }
        _ = try pastRows()
    }

    func run() throws {
        signal(SIGPIPE, SIG_IGN)
        let (file, plan) = try pipeline.load()
        var request = ReplayRequest(from: starts)
        request.to = ends
        request.history = try pastRows()
        request.tables = tables
        request.ignored = Set(ignored)
        request.tolerance = tolerance
        var options = PipelineOptions()
        options.baseDirectory = file.directory
        options.log = LogSetup.standardError(level: .warning)
        do {
            let report = try PredictionReplay(plan, request, options: options).run { Console.print($0) }
            for line in report.lines { Console.print(line) }
            if !report.isConfirmed { throw ExitCode(1) }
        } catch let error as Diagnostic {
            Console.error(file.rendered([error]))
            throw ExitCode(error.fault == .user ? 2 : 1)
        }
    }
}

extension ReplayReport {
    /// The summary.
    var lines: [String] {
        var lines: [String] = []
        for table in tables {
            var facts = ["\(table.rows) rows computed", "\(table.equal) equal", "\(table.different) differ"]
            facts.append("\(table.missing) not stored")
            if let unexpected = table.unexpected, unexpected > 0 {
                facts.append("\(unexpected) stored of records that give no row")
            }
            for (version, rows) in table.otherVersions.sorted(by: { $0.key < $1.key }) {
                facts.append(version.isEmpty ? "\(rows) hold a default" : "\(rows) scored by version \(version)")
            }
            lines.append("\(table.name): " + facts.joined(separator: ", "))
            if !table.ignored.isEmpty { lines.append("  not compared: \(table.ignored.joined(separator: ", "))") }
        }
        for (reason, rows) in rejected.sorted(by: { $0.key < $1.key }) {
            lines.append("\(rows) rows were rejected: \(reason)")
        }
        for (name, reason) in skipped { lines.append("\(name) was not compared: \(reason)") }
        return lines
    }
}
