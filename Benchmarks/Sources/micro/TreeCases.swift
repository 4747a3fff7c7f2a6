import Glibc
import MillraceCore
import MillraceModels
import MillraceRuntime
import Workloads

/// Scoring by itself: 100 trees of depth 6 over ten DOUBLE features, the columns already there.
enum TreeCases {
    static func all() -> [MicroCase] { [1, 8, 64, 256].map { trees($0) } }

    static func trees(_ size: Int) -> MicroCase {
        MicroCase("100 trees of depth 6, batch \(size)", rows: size) {
            let model = TreeModel()
            let payments = Payments()
            let fields = TreeModel.featureNames.map { Field($0, .double) }
            let scorer = try load(model).makeScorer(
                inputs: Schema(fields), outputs: Schema([Field("score", .double)]), maxRows: 256)
            // Other rows in each call: walking one row again and again would know the way.
            let sets = (0..<(4096 / size)).map { set in
                let columns = fields.map { Column($0.type, capacity: size) }
                for row in 0..<size {
                    for (column, value) in zip(columns, payments.variants[set * size + row].features) {
                        column.append(double: value)
                    }
                }
                return columns
            }
            let expected = payments.variants.map { model.score($0.features) }
            let outputs = [Column(.double, capacity: size)]
            let arena = BatchArena()
            var turn = 0
            return {
                scorer.score(sets[turn], rows: size, into: outputs, arena: arena)
                let isRight = abs(outputs[0].doubles[size - 1] - expected[turn * size + size - 1]) < 1e-12
                turn = turn + 1 == sets.count ? 0 : turn + 1
                return isRight
            }
        }
    }

    private static func load(_ model: TreeModel) throws -> any Model {
        var template = Array("/tmp/millrace-micro-XXXXXX".utf8CString)
        let file = mkstemp(&template)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        guard file >= 0 else { throw Counting.Failed(description: "could not create a file under /tmp") }
        defer { unlink(path) }
        let text = Array(model.lightGBMText.utf8)
        let written = write(file, text, text.count)
        close(file)
        guard written == text.count else { throw Counting.Failed(description: "could not write \(path)") }
        return try ModelProviders.inspect(path: path).model
    }
}
