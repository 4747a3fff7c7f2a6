import Foundation
import MillraceCore
import MillracePlanner
import Testing

/// Files with words moved, doubled or left out: the planner answers with a plan or with errors, and never traps.
@Suite struct MutationTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    @Test func mutatedFilesAreAnswered() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
        let rounds = UInt64(ProcessInfo.processInfo.environment["MILLRACE_MUTATIONS"] ?? "") ?? 15
        for name in GoldenTests.names {
            let source = try String(contentsOf: folder.appendingPathComponent(name + ".sql"), encoding: .utf8)
            let words = source.split(separator: " ", omittingEmptySubsequences: false)
            for seed in 0..<rounds {
                var random = Generator(state: seed &* 977 &+ UInt64(words.count))
                var mutated = words
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let a = Int.random(in: 0..<mutated.count, using: &random)
                    let b = Int.random(in: 0..<mutated.count, using: &random)
                    switch Int.random(in: 0..<3, using: &random) {
                    case 0: mutated.remove(at: a)
                    case 1: mutated.swapAt(a, b)
                    default: mutated.insert(mutated[b], at: a)
                    }
                }
                let text = mutated.joined(separator: " ")
                let result = Planner(registry: TestRegistry.registry, variables: ["brokers": "b"]).plan(
                    text, name: name)
                if let plan = result.plan {
                    PlannerTests.expectConsistent(plan)
                    #expect(!Explain.text(plan).isEmpty)
                    #expect(Explain.fingerprint(plan).count == 16)
                } else {
                    #expect(result.diagnostics.contains { $0.severity == .error }, "\(name), seed \(seed)")
                }
                for diagnostic in result.diagnostics {
                    #expect(!diagnostic.rendered(file: name, source: text).isEmpty)
                }
            }
        }
    }
}
