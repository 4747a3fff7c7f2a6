import MillraceCore

/// Made-up records; the same in every run.
enum Messages {
    static func text(_ text: String) -> ByteRef {
        let bytes = Array(text.utf8)
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        memory.initialize(from: bytes, count: bytes.count)
        return ByteRef(start: UnsafePointer(memory), count: bytes.count)
    }

    /// 200 bytes, nine fields, of which five are used.
    static func payment(_ i: Int) -> ByteRef {
        let id = 100_000 + i
        return text(
            #"{"event_id":\#(id),"ts":\#(1_700_000_000_000_000 + i * 50),"account":"acc\#(id)","amount":\#(i % 500).25,"#
                + #""country":"\#(["US", "GB", "DE", "FR"][i & 3])","device":"abcdefghij","channel":"web","#
                + #""note":"none","flag":true,"pad":"xxxxxxxxxx"}"#)
    }

    /// The fields of `wide` that nobody asks for.
    static let otherFields = (0..<52).map { "field_\($0)" }

    /// 2 kB, 60 fields of which eight are used, every eighth one.
    static func wide(_ i: Int) -> ByteRef {
        let used = [
            #""id":\#(1_000_000 + i)"#, #""account":"acc\#(100_000 + i)""#, #""amount":\#(i % 500).25"#,
            #""country":"\#(["US", "GB", "DE", "FR"][i & 3])""#, #""quantity":\#(1 + i % 40)"#,
            #""price":\#(i % 97).5"#, #""channel":"\#(["web", "app", "pos"][i % 3])""#, #""score":\#(i % 1000)"#,
        ]
        var fields: [String] = []
        for (place, name) in otherFields.enumerated() {
            switch place % 5 {
            case 0: fields.append(#""\#(name)":\#(i * 31 + place)"#)
            case 1: fields.append(#""\#(name)":\#(i % 2 == 0)"#)
            default: fields.append(#""\#(name)":"value \#(place) of record \#(i), some text""#)
            }
            if place % 7 == 0 { fields.append(used[place / 7]) }
        }
        return text("{" + fields.joined(separator: ",") + "}")
    }

    /// Eight numbers for the natality model.
    static func birth(_ i: Int) -> ByteRef {
        text(
            #"{"id":\#(i),"is_male":\#(i & 1),"mother_age":\#(18 + i % 25),"plurality":1,"gestation_weeks":\#(32 + i % 10),"#
                + #""cigarette_use":\#(i % 3 / 2),"weight_gain_pounds":\#(20 + i % 15),"ever_born":\#(1 + i % 4),"#
                + #""mother_married":\#(i % 2)}"#)
    }
}
