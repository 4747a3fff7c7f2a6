import ArgumentParser
import Glibc
import Workloads

@main
struct MicroCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "micro", abstract: "Measure the steps of the hot path: time, instructions, allocations a row.",
        discussion: """
            Answers are checked. Times are printed; what repeats exactly is compared with a baseline: allocations, and with \
            valgrind installed instructions and calls of Swift's retain and release. More than the baseline fails.
            """)

    /// More than the baseline by this part and it fails.
    static let tolerance = 0.03

    static var isDebugBuild: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    @Option(help: ArgumentHelp("Only cases whose name has this text.", valueName: "text")) var filter: String?
    @Option(help: ArgumentHelp("What is compared with.", valueName: "file"))
    var baseline: String = Repository.root + "/Benchmarks/micro-baseline.jsonl"
    @Flag(help: "Write the baseline anew.") var update = false
    @Flag(help: "Leave out valgrind.") var withoutInstructions = false
    @Flag(help: "Few rounds and no large state: checks answers and allocations, and prints no times worth reading.")
    var quick = false
    @Flag(help: .hidden) var counted = false

    func run() throws {
        let all = Cases.all()
        let cases = all.filter { filter == nil || $0.name.contains(filter!) }
        if counted { return try Counting.run(cases) }

        let isDebug = MicroCommand.isDebugBuild
        if isDebug { print("a debug build: times and allocations are not those of a release\n") }
        var records = try cases.map { try Measurement.run($0, quick: quick).record }
        if !withoutInstructions, !quick { try Counting.add(to: &records, filter: filter) }
        let expected = isDebug ? [:] : try Baseline.read(baseline)
        print(Baseline.table(records, expected), terminator: "")
        if !quick { try Targets.print(cases) }
        if update {
            guard !isDebug, filter == nil else {
                throw ValidationError("--update takes a release build and no --filter")
            }
            return try Baseline.write(records, to: baseline)
        }
        let excesses = Baseline.excesses(records, expected)
        if !excesses.isEmpty {
            print("\nmore than the baseline:\n" + excesses.map { "  " + $0 }.joined(separator: "\n"))
            throw ExitCode(1)
        }
    }
}

/// Where the sources are that this program was built from.
enum Repository {
    static let root: String = {
        let path = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return path.dropLast(4).joined(separator: "/")
    }()
}

/// Ends the program: a benchmark of wrong answers is none.
func fail(_ name: String) -> Never {
    print("\(name): wrong answer")
    exit(1)
}
