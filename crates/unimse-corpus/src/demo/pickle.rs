//! The least of a pickle writer: protocol 4, dicts, lists, strings, integers and numpy arrays as numpy 2 writes them.

/// A value to write.
#[derive(Clone)]
pub(crate) enum Value {
    /// `dict` with string keys, in this order.
    Dict(Vec<(String, Value)>),
    /// `list`.
    List(Vec<Value>),
    /// `str`.
    Str(String),
    /// `int`.
    Int(i32),
    /// `numpy.ndarray` of float32 with this shape.
    F32(Vec<usize>, Vec<f32>),
    /// `numpy.ndarray` of float64, one dimension.
    F64(Vec<f64>),
    /// `numpy.ndarray` of fixed-width unicode (`<U`), one dimension.
    Unicode(Vec<String>),
    /// `numpy.ndarray` of objects, one dimension.
    Objects(Vec<Value>),
}

/// The pickle of `value`.
pub(crate) fn dump(value: &Value) -> Vec<u8> {
    let mut out = vec![0x80, 4];
    write(&mut out, value);
    out.push(b'.');
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Dict(items) => {
            out.extend(b"}(");
            for (key, item) in items {
                string(out, key);
                write(out, item);
            }
            out.push(b'u');
        }
        Value::List(items) => list(out, items),
        Value::Str(text) => string(out, text),
        Value::Int(number) => int(out, *number),
        Value::F32(shape, values) => {
            let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            array(out, shape, "f4", ("<", -1, -1, 0), |out| bytes(out, &data));
        }
        Value::F64(values) => {
            let data: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            array(out, &[values.len()], "f8", ("<", -1, -1, 0), |out| {
                bytes(out, &data)
            });
        }
        Value::Unicode(texts) => {
            let width = texts
                .iter()
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
                .max(1);
            let letters = texts
                .iter()
                .flat_map(|text| text.chars().chain(std::iter::repeat('\0')).take(width));
            let data: Vec<u8> = letters
                .flat_map(|letter| u32::from(letter).to_le_bytes())
                .collect();
            array(
                out,
                &[texts.len()],
                &format!("U{width}"),
                ("<", 4 * width as i32, 4, 8),
                |out| bytes(out, &data),
            );
        }
        Value::Objects(items) => array(out, &[items.len()], "O8", ("|", -1, -1, 63), |out| {
            list(out, items)
        }),
    }
}

/// `numpy._core.multiarray._reconstruct(numpy.ndarray, (0,), b'b')` and its state: version 1, shape, dtype, C order, data.
/// `layout` is the dtype's byte order, item size, alignment and flags.
fn array(
    out: &mut Vec<u8>,
    shape: &[usize],
    dtype: &str,
    (order, size, alignment, flags): (&str, i32, i32, i32),
    data: impl FnOnce(&mut Vec<u8>),
) {
    global(out, "numpy._core.multiarray", "_reconstruct");
    global(out, "numpy", "ndarray");
    int(out, 0);
    out.push(0x85); // TUPLE1: the placeholder's shape (0,)
    out.extend(b"C\x01b"); // b'b', its type
    out.extend([0x87, b'R']); // TUPLE3, REDUCE
    out.push(b'('); // the state
    int(out, 1);
    out.push(b'(');
    shape.iter().for_each(|&n| int(out, n as i32));
    out.push(b't');
    global(out, "numpy", "dtype");
    string(out, dtype);
    out.extend([0x89, 0x88, 0x87, b'R']); // align False, copy True
    out.push(b'(');
    int(out, 3);
    string(out, order);
    out.extend(b"NNN"); // no subarray, names or fields
    int(out, size);
    int(out, alignment);
    int(out, flags);
    out.extend(b"tb"); // BUILD of the dtype
    out.push(0x89); // not Fortran order
    data(out);
    out.extend(b"tb"); // BUILD of the array
}

fn list(out: &mut Vec<u8>, items: &[Value]) {
    out.extend(b"](");
    items.iter().for_each(|item| write(out, item));
    out.push(b'e');
}

fn global(out: &mut Vec<u8>, module: &str, name: &str) {
    string(out, module);
    string(out, name);
    out.push(0x93);
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn bytes(out: &mut Vec<u8>, data: &[u8]) {
    out.push(b'B');
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
}

fn int(out: &mut Vec<u8>, number: i32) {
    out.push(b'J');
    out.extend(number.to_le_bytes());
}
