import Glibc
import MillraceCore

/// Reads the inputs and outputs of a session, and runs trial rows: declared output shapes may be absent or wrong, and the
/// first run of a session is slow.
struct OnnxGraph {
    let library: OrtLibrary
    let session: OpaquePointer
    let label: String

    private var api: OrtTable { library.api }
    private var what: String { "\(label): could not read the signature" }

    private func take(_ text: UnsafeMutablePointer<CChar>?) -> String {
        guard let text else { return "" }
        defer { _ = library.succeeds(api.free(library.allocator, text)) }
        return String(cString: text)
    }

    func metadata() throws(Diagnostic) -> (producer: String, featureNames: [String]) {
        var handle: OpaquePointer?
        try library.check(api.metadata(session, &handle), what)
        defer { api.releaseMetadata(handle) }
        var text: UnsafeMutablePointer<CChar>?
        try library.check(api.producer(handle!, library.allocator, &text), what)
        let producer = take(text)
        text = nil
        try library.check(api.customMetadata(handle!, library.allocator, "feature_names", &text), what)
        let names = take(text).split(separator: ",").map { part in
            String(part.filter { !" []\"'".contains($0) })
        }
        return (producer, names)
    }

    /// - Parameter declared: columns of the single input when the file leaves them open.
    func inputs(declared: Int?) throws(Diagnostic) -> (inputs: [OnnxInput], takesOneRow: Bool) {
        var count = 0
        try library.check(api.inputCount(session, &count), what)
        var inputs: [OnnxInput] = []
        var takesOneRow = false
        for index in 0..<count {
            var text: UnsafeMutablePointer<CChar>?
            try library.check(api.inputName(session, index, library.allocator, &text), what)
            let name = take(text)
            var type: OpaquePointer?
            try library.check(api.inputType(session, index, &type), what)
            defer { api.releaseType(type) }
            guard let (code, dimensions) = try tensor(type!) else {
                throw Diagnostic("\(label): input \"\(name)\" of the file is not a tensor")
            }
            guard let element = OnnxElement(rawValue: code) else {
                throw Diagnostic(
                    "\(label): input \"\(name)\" of the file has elements of ONNX type \(code)",
                    hint: "Export the model with float, double, int64, int32, bool or string inputs.")
            }
            guard dimensions.count == 1 || dimensions.count == 2, let batch = dimensions.first, batch <= 1, batch != 0
            else {
                throw Diagnostic(
                    "\(label): input \"\(name)\" of the file has the shape \(dimensions)",
                    hint:
                        "A row must be one element, or one row of a matrix: [N] or [N, features] with a dynamic first "
                        + "dimension.")
            }
            if batch == 1 { takesOneRow = true }
            var width = 1
            if dimensions.count == 2 {
                width = dimensions[1] > 0 ? Int(dimensions[1]) : (count == 1 ? declared ?? 1 : 1)
            }
            guard width <= 1 << 16 else { throw Diagnostic("\(label): input \"\(name)\" of the file is too wide") }
            inputs.append(OnnxInput(name: name, element: element, rank: dimensions.count, width: width))
        }
        guard !inputs.isEmpty else { throw Diagnostic("\(label): the file has no inputs") }
        return (inputs, takesOneRow)
    }

    private func tensor(_ type: OpaquePointer) throws(Diagnostic) -> (element: Int32, dimensions: [Int64])? {
        var info: OpaquePointer?
        try library.check(api.castToTensorInfo(type, &info), what)
        guard let info else { return nil }
        return try tensor(info: info)
    }

    private func tensor(info: OpaquePointer) throws(Diagnostic) -> (element: Int32, dimensions: [Int64]) {
        var code: Int32 = 0
        try library.check(api.elementType(info, &code), what)
        var rank = 0
        try library.check(api.rank(info, &rank), what)
        var dimensions = [Int64](repeating: -1, count: rank)
        try library.check(api.dimensions(info, &dimensions, rank), what)
        return (code, dimensions)
    }

    /// The usable outputs; for the others what they are.
    func outputs(inputs: [OnnxInput], takesOneRow: Bool) throws(Diagnostic) -> (
        outputs: [OnnxOutput], ignored: [String]
    ) {
        var count = 0
        try library.check(api.outputCount(session, &count), what)
        var names: [String] = []
        for index in 0..<count {
            var text: UnsafeMutablePointer<CChar>?
            try library.check(api.outputName(session, index, library.allocator, &text), what)
            names.append(take(text))
        }
        let rows = takesOneRow ? 1 : 2
        let values: [OpaquePointer?]
        do throws(Diagnostic) {
            values = try trial(inputs: inputs, outputNames: names, rows: rows)
        } catch {
            // An empty string may be no category of the model; then the declared shapes have to do.
            guard inputs.contains(where: { $0.element == .string }) else { throw error }
            return try declaredOutputs(names)
        }
        defer { for value in values { api.releaseValue(value) } }
        var outputs: [OnnxOutput] = []
        var ignored: [String] = []
        for (index, (name, value)) in zip(names, values).enumerated() {
            if let value, var output = try output(name, value, rows: rows) {
                // Memory of ours has to fit what the file declares as well, which may be wrong (CatBoost says [N] and
                // gives [N, 1]); the library's own memory has not.
                if output.isShapeProven { output.isShapeProven = try declares(index, tail: output.tail, rows: rows) }
                outputs.append(output)
            } else {
                ignored.append("\(name) (not one value, or list of values, a row)")
            }
        }
        return (outputs, ignored)
    }

    /// Whether the declared shape of an output, if any, allows the one seen.
    private func declares(_ index: Int, tail: [Int64], rows: Int) throws(Diagnostic) -> Bool {
        var type: OpaquePointer?
        try library.check(api.outputType(session, index, &type), what)
        defer { api.releaseType(type) }
        guard let (_, dimensions) = try tensor(type!) else { return false }
        guard dimensions.count == tail.count + 1, dimensions[0] < 0 || (dimensions[0] == 1 && rows == 1) else {
            return false
        }
        return zip(dimensions.dropFirst(), tail).allSatisfy { $0 < 0 || $0 == $1 }
    }

    private func output(_ name: String, _ value: OpaquePointer, rows: Int) throws(Diagnostic) -> OnnxOutput? {
        var info: OpaquePointer?
        if library.succeeds(api.tensorInfo(value, &info)), let info {
            defer { api.releaseTensorInfo(info) }
            let (code, dimensions) = try tensor(info: info)
            guard let element = OnnxElement(rawValue: code), dimensions.first == Int64(rows) else { return nil }
            let width = dimensions.dropFirst().reduce(1, *)
            guard width > 0, width <= 4096 else { return nil }
            return OnnxOutput(
                name: name, kind: .tensor, element: element, tail: Array(dimensions.dropFirst()), width: Int(width),
                keys: [], isShapeProven: true)
        }
        var count = 0
        guard library.succeeds(api.valueCount(value, &count)), count == rows else { return nil }
        var map: OpaquePointer?
        guard library.succeeds(api.getValue(value, 0, library.allocator, &map)), let map else { return nil }
        defer { api.releaseValue(map) }
        var parts: [OpaquePointer?] = [nil, nil]
        defer { for part in parts { api.releaseValue(part) } }
        guard library.succeeds(api.getValue(map, 0, library.allocator, &parts[0])),
            library.succeeds(api.getValue(map, 1, library.allocator, &parts[1])),
            let keys = try keys(parts[0]!), library.succeeds(api.tensorInfo(parts[1]!, &info)), let info
        else { return nil }
        defer { api.releaseTensorInfo(info) }
        let (code, _) = try tensor(info: info)
        guard let element = OnnxElement(rawValue: code), element == .float || element == .double, !keys.isEmpty else {
            return nil
        }
        return OnnxOutput(
            name: name, kind: .maps, element: element, tail: [], width: keys.count, keys: keys, isShapeProven: false)
    }

    private func keys(_ value: OpaquePointer) throws(Diagnostic) -> [String]? {
        var info: OpaquePointer?
        guard library.succeeds(api.tensorInfo(value, &info)), let info else { return nil }
        defer { api.releaseTensorInfo(info) }
        let (code, _) = try tensor(info: info)
        var count = 0
        try library.check(api.elementCount(info, &count), what)
        guard count <= 4096 else { return nil }
        switch OnnxElement(rawValue: code) {
        case .int64:
            var data: UnsafeMutableRawPointer?
            try library.check(api.tensorData(value, &data), what)
            return (0..<count).map { String(data!.load(fromByteOffset: $0 * 8, as: Int64.self)) }
        case .string:
            var bytes = 0
            try library.check(api.stringBytes(value, &bytes), what)
            var content = [UInt8](repeating: 0, count: max(bytes, 1))
            var offsets = [Int](repeating: 0, count: max(count, 1))
            let status = content.withUnsafeMutableBytes { content in
                offsets.withUnsafeMutableBufferPointer {
                    api.stringContent(value, content.baseAddress!, bytes, $0.baseAddress!, count)
                }
            }
            try library.check(status, what)
            return (0..<count).map { index in
                let end = index + 1 < count ? offsets[index + 1] : bytes
                return String(decoding: content[offsets[index]..<end], as: UTF8.self)
            }
        default: return nil
        }
    }

    private func declaredOutputs(_ names: [String]) throws(Diagnostic) -> (outputs: [OnnxOutput], ignored: [String]) {
        var outputs: [OnnxOutput] = []
        var ignored: [String] = []
        for (index, name) in names.enumerated() {
            var type: OpaquePointer?
            try library.check(api.outputType(session, index, &type), what)
            defer { api.releaseType(type) }
            guard let (code, dimensions) = try tensor(type!), let element = OnnxElement(rawValue: code),
                dimensions.count >= 1,
                dimensions.dropFirst().allSatisfy({ $0 > 0 }), dimensions.dropFirst().reduce(1, *) <= 4096
            else {
                ignored.append("\(name) (its shape is not declared, and an empty trial row failed)")
                continue
            }
            outputs.append(
                OnnxOutput(
                    name: name, kind: .tensor, element: element, tail: Array(dimensions.dropFirst()),
                    width: Int(dimensions.dropFirst().reduce(1, *)), keys: [], isShapeProven: false))
        }
        return (outputs, ignored)
    }

    /// Runs `rows` rows of zeros and empty strings. The caller releases the values.
    private func trial(inputs: [OnnxInput], outputNames: [String], rows: Int) throws(Diagnostic) -> [OpaquePointer?] {
        var tensors: [OpaquePointer?] = []
        defer { for tensor in tensors { api.releaseValue(tensor) } }
        for input in inputs {
            var tensor: OpaquePointer?
            let shape = input.shape(rows: rows)
            try library.check(
                api.createTensor(library.allocator, shape, shape.count, input.element.rawValue, &tensor), what)
            tensors.append(tensor)
            guard input.element != .string else { continue }
            var data: UnsafeMutableRawPointer?
            try library.check(api.tensorData(tensor!, &data), what)
            memset(data!, 0, rows * input.width * input.element.size)
        }
        let inNames = inputs.map { UnsafePointer(strdup($0.name)!) as UnsafePointer<CChar>? }
        let outNames = outputNames.map { UnsafePointer(strdup($0)!) as UnsafePointer<CChar>? }
        defer { for name in inNames + outNames { free(UnsafeMutablePointer(mutating: name)) } }
        var values = [OpaquePointer?](repeating: nil, count: outputNames.count)
        try library.check(
            api.run(session, nil, inNames, tensors, inputs.count, outNames, outputNames.count, &values),
            "\(label): a trial row failed")
        return values
    }
}
