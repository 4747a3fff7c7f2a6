import ArgumentParser
import Glibc
import MillraceCore
import MillraceEngine

/// The arguments of every command that reads a .sql file.
struct PipelineArguments: ParsableArguments {
    @Argument(help: "The pipeline, a .sql file.")
    var file: String

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Fills ${key} in WITH values; may be repeated. Environment variables fill what is not set here.",
            valueName: "key=value"))
    var assignments: [String] = []

    func validate() throws {
        for assignment in assignments where !assignment.contains("=") {
            throw ValidationError("--set takes key=value")
        }
    }

    private var variables: [String: String] {
        var result: [String: String] = [:]
        var next = environ
        while let entry = next.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            next += 1
        }
        for assignment in assignments {
            let equals = assignment.firstIndex(of: "=")!
            result[String(assignment[..<equals])] = String(assignment[assignment.index(after: equals)...])
        }
        return result
    }

    /// Reads and plans the file; prints every diagnostic; ends the process with status 2 when there is an error.
    func load() throws -> (file: PipelineFile, plan: ExecutionPlan) {
        let loaded: PipelineFile
        do {
            loaded = try PipelineFile(path: file, variables: variables)
        } catch {
            Console.error(error.rendered(file: file, source: ""))
            throw ExitCode(2)
        }
        if !loaded.diagnostics.isEmpty { Console.error(loaded.rendered(loaded.diagnostics)) }
        guard let plan = loaded.plan else {
            let count = loaded.diagnostics.count { $0.severity == .error }
            Console.error("\n\(count) error\(count == 1 ? "" : "s") in \(file)")
            throw ExitCode(2)
        }
        return (loaded, plan)
    }
}
