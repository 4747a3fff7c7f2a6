import Foundation
import Nexmark

/// Writes events into a directory, and compares what a query wrote there with the right answer.
@main
enum Main {
    private static let help = """
        nexmark-data generate DIRECTORY [--events N] [--events-per-second N] [--disorder N] [--seed N]
            Writes events.json and side_input.csv. Defaults: 100000 events, 10000 a second of event time, in order, seed 0.
            --disorder shuffles times inside groups of so many events.
        nexmark-data check DIRECTORY QUERY [the same options]
            Compares the rows of answer.json with those that query QUERY has over the events of these options.

        """

    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let configuration = try options(&arguments)
        switch (arguments.first, arguments.count) {
        case ("generate", 2): try generate(arguments[1], configuration)
        case ("check", 3): try check(arguments[1], arguments[2], configuration)
        default: stop(help, status: 64)
        }
    }

    private static func stop(_ text: String, status: Int32) -> Never {
        FileHandle.standardError.write(Data(text.utf8))
        exit(status)
    }

    /// Takes `--name N` out of the arguments.
    private static func options(_ arguments: inout [String]) throws -> NexmarkGenerator.Configuration {
        var configuration = NexmarkGenerator.Configuration()
        while let place = arguments.firstIndex(where: { $0.hasPrefix("--") }) {
            guard place + 1 < arguments.count, let value = Int(arguments[place + 1]), value >= 0 else {
                stop("\(arguments[place]) takes a number\n", status: 64)
            }
            switch arguments[place] {
            case "--events": configuration.events = value
            case "--events-per-second": configuration.eventsPerSecond = max(1, value)
            case "--disorder": configuration.disorder = max(1, value)
            case "--seed": configuration.seed = UInt64(value)
            default: stop("unknown option \(arguments[place])\n" + help, status: 64)
            }
            arguments.removeSubrange(place...(place + 1))
        }
        return configuration
    }

    private static func generate(_ directory: String, _ configuration: NexmarkGenerator.Configuration) throws {
        let folder = URL(fileURLWithPath: directory)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.appendingPathComponent("events.json")
        _ = FileManager.default.createFile(atPath: path.path, contents: nil)
        let file = try FileHandle(forWritingTo: path)
        var buffer = Data()
        for event in NexmarkGenerator(configuration).events {
            buffer.append(contentsOf: event.json.utf8)
            buffer.append(0x0A)
            if buffer.count > 1 << 20 {
                try file.write(contentsOf: buffer)
                buffer.removeAll(keepingCapacity: true)
            }
        }
        try file.write(contentsOf: buffer)
        try file.close()
        try Data(NexmarkAnswers.sideInput.utf8).write(to: folder.appendingPathComponent("side_input.csv"))
    }

    private static func check(
        _ directory: String, _ query: String, _ configuration: NexmarkGenerator.Configuration
    ) throws {
        let answers = NexmarkAnswers(Array(NexmarkGenerator(configuration).events))
        guard let number = Int(query), let rows = answers.rows(number) else {
            stop("there is no answer of query \(query)\n", status: 64)
        }
        let written = try String(
            contentsOf: URL(fileURLWithPath: directory).appendingPathComponent("answer.json"), encoding: .utf8)
        let actual = NexmarkAnswers.comparable(number, written.split(separator: "\n").map(String.init)).sorted()
        let expected = rows.sorted()
        if let different = zip(actual, expected).first(where: { $0 != $1 }) {
            stop("query \(query): \(different.0)\nis not   \(different.1)\n", status: 1)
        }
        guard actual.count == expected.count else {
            stop("query \(query): \(actual.count) rows instead of \(expected.count)\n", status: 1)
        }
        print("\(actual.count) rows, as they should be")
    }
}
