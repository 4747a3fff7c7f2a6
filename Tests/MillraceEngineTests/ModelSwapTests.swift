import Foundation
import MillraceCore
import MillraceObservability
import MillraceTestSupport
import Synchronization
import Testing

@testable import MillraceEngine
@testable import MillraceRuntime

/// Model files that change under a store: what is taken up, what is refused.
final class ModelSwapTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swap-\(UUID().uuidString)")
    private let clock = ManualClock()
    private let lines = Lines()

    private final class Lines: Sendable {
        private let state = Mutex<[String]>([])
        var all: [String] { state.withLock { $0 } }
        func add(_ line: String) { state.withLock { $0.append(line) } }
    }

    init() throws { try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: directory) }

    private func path(_ name: String) -> String { directory.path + "/" + name }

    /// As a careful deployment does.
    private func replace(_ name: String, by text: String) throws {
        let temporary = path(name + ".new")
        #expect(FileManager.default.createFile(atPath: temporary, contents: Data(text.utf8)))
        usleep(20_000)
        #expect(rename(temporary, path(name)) == 0)
    }

    private func write(_ name: String, _ text: some StringProtocol) throws {
        let file = try #require(fopen(path(name), "w"))
        fputs(String(text), file)
        fclose(file)
    }

    private func store(_ options: [String: String] = [:], shadow: ShadowPlan? = nil, canary: CanaryPlan? = nil) throws
        -> (
            ModelStore, ModelLoader
        )
    {
        var plan = ExecutionPlan(name: "p")
        plan.models = [
            ModelPlan(
                name: "m", provider: "xgboost", options: ["path": "model.json"].merging(options) { $1 },
                inputs: Schema(("x", .double)), outputs: Schema(("y", .double)), shadow: shadow, canary: canary)
        ]
        let store = ModelStore(plan, baseDirectory: directory.path)
        try store.load()
        let log = Log { [lines] level, message, facts in
            lines.add("\(level) \(message): " + facts.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
        }
        return (store, ModelLoader(store, log: log, clock: clock))
    }

    /// What a lane gives for the feature 1, after it was told of newer models.
    private func score(_ lane: ScorerLane) throws -> Double {
        _ = lane.refresh()
        let (input, output, arena) = (Column(.double), Column(.double), BatchArena())
        input.append(double: 1)
        lane.current.scorer.score([input], rows: 1, into: [output], arena: arena)
        return try #require(output.count == 1 ? output.doubles[0] : nil)
    }

    private func wait(_ loader: ModelLoader, milliseconds: Int64) {
        for _ in 0..<milliseconds / 250 {
            clock.advance(milliseconds: 250)
            loader.look()
        }
    }

    @Test func aRenamedFileIsTakenUpAtOnce() throws {
        try write("model.json", StumpModel.json(base: 1))
        let (store, loader) = try store()
        let predict = PredictPlan(model: 0, arguments: [0])
        let lanes = [try store.lanes(predict, maxRows: 256).live, try store.lanes(predict, maxRows: 8).live]
        for lane in lanes { #expect(try score(lane) == 1.375) }
        let first = store.status[0].version
        loader.look()
        #expect(store.status[0].swaps == 0)
        try replace("model.json", by: StumpModel.json(base: 2))
        loader.look()
        for lane in lanes { #expect(try score(lane) == 2.375) }
        #expect(store.status[0].swaps == 1 && store.status[0].version != first)
        #expect(lanes[0].current.version == store.status[0].version)
        #expect(
            lanes[0].current.contentHash.count == 64 && lanes[0].current.contentHash.hasPrefix(store.status[0].version))
        #expect(lines.all.contains { $0.hasPrefix("info model swapped: model=m from=\(first) to=") })
        // The same bytes under a new name are no swap.
        try replace("model.json", by: StumpModel.json(base: 2))
        loader.look()
        #expect(store.status[0].swaps == 1 && store.status[0].refusedSwaps == 0)
    }

    @Test func aBadFileIsRefusedOnceAndTheOldModelGoesOn() throws {
        try write("model.json", StumpModel.json(base: 1))
        let (store, loader) = try store()
        let lane = try store.lanes(PredictPlan(model: 0, arguments: [0]), maxRows: 256).live
        let two = StumpModel.json(base: 2).replacingOccurrences(of: #""num_feature":"1""#, with: #""num_feature":"2""#)
        for (count, bad) in ["{\"learner\": 1}", "", String(StumpModel.json(base: 2).dropLast(40)), two].enumerated() {
            try replace("model.json", by: bad)
            for _ in 0..<3 { loader.look() }
            #expect(store.status[0].refusedSwaps == count + 1)
            #expect(try score(lane) == 1.375)
        }
        let warnings = lines.all.filter {
            $0.hasPrefix("warning model file is refused; the old model goes on")
        }
        #expect(warnings.count == 4)
        #expect(warnings[3].contains("the file wants 2"), "\(warnings)")
        try FileManager.default.removeItem(atPath: path("model.json"))
        loader.look()
        #expect(store.status[0].refusedSwaps == 4)
        try replace("model.json", by: StumpModel.json(base: 3))
        loader.look()
        #expect(try score(lane) == 3.375)
    }

    @Test func aFileThatIsBeingCopiedIsNotReadBeforeItsEnd() throws {
        try write("model.json", StumpModel.json(base: 1))
        let (store, loader) = try store()
        let lane = try store.lanes(PredictPlan(model: 0, arguments: [0]), maxRows: 256).live
        let text = StumpModel.json(base: 2)
        for part in 1...10 {
            try write("model.json", text.prefix(text.count * part / 10))
            wait(loader, milliseconds: 750)
            #expect(try score(lane) == 1.375)
        }
        wait(loader, milliseconds: 500)
        #expect(try score(lane) == 2.375)
        #expect(store.status[0].refusedSwaps == 0)
    }

    @Test func whoPinsAVersionKeepsIt() throws {
        try write("model.json", StumpModel.json(base: 1))
        let (free, _) = try store()
        let (pinned, loader) = try store(["version": free.status[0].version])
        try replace("model.json", by: StumpModel.json(base: 2))
        loader.look()
        #expect(pinned.status[0].swaps == 0 && pinned.status[0].refusedSwaps == 1)
    }

    @Test(arguments: [("signal", 1), ("off", 0)]) func policies(_ policy: String, _ expected: Int) throws {
        try write("model.json", StumpModel.json(base: 1))
        let (store, loader) = try store(["swap": policy])
        try replace("model.json", by: StumpModel.json(base: 2))
        wait(loader, milliseconds: 3000)
        #expect(store.status[0].swaps == 0)
        loader.look(isAsked: true)
        #expect(store.status[0].swaps == expected)
    }

    @Test func canaryAndShadowAreSwappedToo() throws {
        for (name, base) in [("model.json", 1.0), ("canary.json", 2), ("shadow.json", 3)] {
            try write(name, StumpModel.json(base: base))
        }
        let (store, loader) = try store(
            shadow: ShadowPlan(path: "shadow.json"), canary: CanaryPlan(path: "canary.json", percent: 5, key: "k"))
        let lanes = try store.lanes(PredictPlan(model: 0, arguments: [0], canaryKey: 0), maxRows: 256)
        let (canary, shadow) = (try #require(lanes.canary), try #require(lanes.shadow))
        #expect(try score(canary) == 2.375 && score(shadow) == 3.375)
        try replace("canary.json", by: StumpModel.json(base: 4))
        try replace("shadow.json", by: StumpModel.json(base: 5))
        loader.look()
        #expect(try score(lanes.live) == 1.375 && score(canary) == 4.375 && score(shadow) == 5.375)
        #expect(store.status.map(\.role) == [.live, .canary, .shadow])
        #expect(store.status.map(\.swaps) == [0, 1, 1])
        try replace("shadow.json", by: "{}")
        loader.look()
        #expect(store.status.map(\.refusedSwaps) == [0, 0, 1])
        #expect(lines.all.contains { $0.contains("model=m (shadow)") })
    }

    @Test func aBadShadowIsFoundBeforeTheStart() throws {
        try write("model.json", StumpModel.json(base: 1))
        do {
            _ = try store(shadow: ShadowPlan(path: "none.json"))
            Issue.record("it is not there")
        } catch let error as Diagnostic {
            #expect(error.message == "shadow of model \"m\": no file \"none.json\"")
        }
    }
}
