#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes the files odd-*.p12 of tests/unit/pkcs12.d, once: what no tool writes by itself, and some that two do. They are kept;
# this is how to make them again (python3-cryptography, openssl, keytool): pkcs12_odd.py FOLDER
import hashlib,hmac,os,subprocess,sys,datetime,tempfile
out=os.path.realpath(sys.argv[1])
os.chdir(tempfile.mkdtemp())
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.hazmat.primitives.asymmetric import ec,rsa,dsa,x25519
from cryptography.hazmat.primitives import hashes,serialization as S
P='swordfish'
def ln(n):
    if n<128: return bytes([n])
    b=n.to_bytes((n.bit_length()+7)//8,'big'); return bytes([0x80|len(b)])+b
def T(t,*c):
    c=b''.join(c); return bytes([t])+ln(len(c))+c
def I(t,*c):  # indefinite
    return bytes([t,0x80])+b''.join(c)+b'\0\0'
SEQ=lambda *c:T(0x30,*c)
SET=lambda *c:T(0x31,*c)
OCT=lambda b:T(4,b)
def INT(n):
    l=max(1,(n.bit_length()+8)//8); return T(2,n.to_bytes(l,'big',signed=True))
def OID(s):
    a=[int(x) for x in s.split('.')]; o=bytes([a[0]*40+a[1]])
    for v in a[2:]:
        e=[v&127]; v>>=7
        while v: e.append(128|(v&127)); v>>=7
        o+=bytes(reversed(e))
    return T(6,o)
DATA=OID('1.2.840.113549.1.7.1')
def attr(fn=None,lid=None,raw=None,extra=b''):
    a=b''
    if fn is not None: a+=SEQ(OID('1.2.840.113549.1.9.20'),SET(T(0x1e,fn.encode('utf-16-be','surrogatepass'))))
    if raw is not None: a+=SEQ(OID('1.2.840.113549.1.9.20'),SET(T(0x1e,raw)))
    if lid is not None: a+=SEQ(OID('1.2.840.113549.1.9.21'),SET(OCT(lid)))
    a+=extra
    return SET(a) if a else b''
def bag(oid,val,at=b''): return SEQ(OID('1.2.840.113549.1.12.10.1.'+oid),T(0xa0,val),at)
def certbag(der,at=b''): return bag('3',SEQ(OID('1.2.840.113549.1.9.22.1'),T(0xa0,OCT(der))),at)
def keybag(p8,at=b''): return bag('1',p8,at)
def shroud(p8,at=b'',pw=P):
    r=subprocess.run(['openssl','pkcs8','-topk8','-inform','DER','-outform','DER','-v2','aes-256-cbc','-passout','pass:'+pw],input=p8,stdout=subprocess.PIPE,check=True)
    return bag('2',r.stdout,at)
def crlbag(der): return bag('4',SEQ(OID('1.2.840.113549.1.9.23.1'),T(0xa0,OCT(der))))
def secretbag(at=b''): return bag('5',SEQ(OID('1.2.840.113549.1.12.10.1.2'),T(0xa0,OCT(b'hello secret'))),at)
def safe(*bags): return SEQ(DATA,T(0xa0,OCT(SEQ(*bags))))
def kdf(pw,salt,it,idn,n,h=hashlib.sha256):
    v=h().block_size; u=h().digest_size
    p=(pw.encode('utf-16-be')+b'\0\0')
    D=bytes([idn])*v
    f=lambda x:(x*(v*(-(-len(x)//v))//len(x)+1))[:v*(-(-len(x)//v))] if x else b''
    I_=f(salt)+f(p); A=b''
    while len(A)<n:
        a=h(D+I_).digest()
        for _ in range(it-1): a=h(a).digest()
        A+=a
        B=int.from_bytes((a*v)[:v],'big'); J=b''
        for k in range(0,len(I_),v):
            J+=((int.from_bytes(I_[k:k+v],'big')+B+1)%(1<<(8*v))).to_bytes(v,'big')
        I_=J
    return A[:n]
def pfx(*safes,pw=P,indef=False,it=2000,ver=3):
    auth=SEQ(*safes)
    salt=os.urandom(8); k=kdf(pw,salt,it,3,32); m=hmac.new(k,auth,'sha256').digest()
    mac=SEQ(SEQ(SEQ(OID('2.16.840.1.101.3.4.2.1'),T(5)),OCT(m)),OCT(salt),INT(it))
    if indef:
        chunks=[OCT(auth[i:i+100]) for i in range(0,len(auth),100)]
        return I(0x30,INT(ver),I(0x30,DATA,I(0xa0,I(0x24,*chunks))),mac)
    return SEQ(INT(ver),SEQ(DATA,T(0xa0,OCT(auth))),mac)
def w(n,b): open(out+'/odd-'+n.replace('_','-')+'.p12','wb').write(b)
now=datetime.datetime(2026,1,1)
def name(cn): return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME,cn)])
def cert(cn,key,issuer,ikey,ca=False,nb=now,na=datetime.datetime(2049,12,31),serial=None,san=None,alg=hashes.SHA256(),pub=None):
    b=x509.CertificateBuilder().subject_name(name(cn) if isinstance(cn,str) else cn).issuer_name(name(issuer) if isinstance(issuer,str) else issuer).public_key(pub or key.public_key()).serial_number(serial or x509.random_serial_number()).not_valid_before(nb).not_valid_after(na)
    b=b.add_extension(x509.BasicConstraints(ca,None),True)
    if not ca: b=b.add_extension(x509.SubjectAlternativeName([x509.DNSName(s) for s in (san or ['gw.example'])]),False)
    return b.sign(ikey,alg)
d=lambda c:c.public_bytes(S.Encoding.DER)
p8=lambda k:k.private_bytes(S.Encoding.DER,S.PrivateFormat.PKCS8,S.NoEncryption())
ek=lambda:ec.generate_private_key(ec.SECP256R1())
rk=ek(); root=cert('root',rk,'root',rk,True)
ik=ek(); inter=cert('inter',ik,'root',rk,True)
k=ek(); leaf=cert('leaf',k,'inter',ik)
C=[certbag(d(inter)),certbag(d(root))]
L=b'\1\2\3\4'
w('plain_keybag',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(keybag(p8(k),attr(lid=L)))))
w('ber_indefinite',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=L))),indef=True))
good=pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=L))))
w('trailing_zeros',good+b'\0'*7)
w('trailing_pfx',good+good)
w('many_safes',pfx(*[safe(x) for x in [shroud(p8(k),attr(lid=L)),C[1],C[0],certbag(d(leaf),attr(lid=L))]]))
w('empty_safe',pfx(safe(),safe(certbag(d(leaf)),*C),safe(),safe(shroud(p8(k)))))
w('secret_bag',pfx(safe(certbag(d(leaf)),secretbag(attr(fn='pw')),*C),safe(shroud(p8(k)))))
crl=x509.CertificateRevocationListBuilder().issuer_name(name('root')).last_update(now).next_update(datetime.datetime(2049,1,1)).sign(rk,hashes.SHA256())
w('crl_bag',pfx(safe(certbag(d(leaf)),crlbag(d(crl)),*C),safe(shroud(p8(k)))))
k2=ek(); leaf2=cert('leaf2',k2,'inter',ik)
w('dup_localkeyid',pfx(safe(certbag(d(leaf),attr(lid=L,fn='a')),certbag(d(leaf2),attr(lid=L,fn='b')),*C),safe(shroud(p8(k),attr(lid=L,fn='a')),shroud(p8(k2),attr(lid=L,fn='b')))))
w('dup_lid_one_key',pfx(safe(certbag(d(leaf2),attr(lid=L)),certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=L)))))
w('wrong_localkeyid',pfx(safe(certbag(d(leaf),attr(lid=L)),certbag(d(inter),attr(lid=b'\9\9')),C[1]),safe(shroud(p8(k),attr(lid=b'\9\9')))))
w('lid_of_nothing',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=b'\7')))))
w('lid_swapped',pfx(safe(certbag(d(leaf),attr(lid=b'1')),certbag(d(leaf2),attr(lid=b'2')),*C),safe(shroud(p8(k),attr(lid=b'2')),shroud(p8(k2),attr(lid=b'1')))))
w('lid_empty',pfx(safe(certbag(d(leaf),attr(lid=b'')),*C),safe(shroud(p8(k),attr(lid=b'')))))
w('lid_huge',pfx(safe(certbag(d(leaf),attr(lid=b'x'*4000)),*C),safe(shroud(p8(k),attr(lid=b'x'*4000)))))
w('fn_surrogates',pfx(safe(certbag(d(leaf),attr(fn='\U0001F511 key',lid=L)),*C),safe(shroud(p8(k),attr(fn='\U0001F511 key',lid=L)))))
w('fn_lone_surrogate',pfx(safe(certbag(d(leaf),attr(fn='a\ud83d b',lid=L)),*C),safe(shroud(p8(k),attr(fn='a\ud83d b',lid=L)))))
w('fn_odd_length',pfx(safe(certbag(d(leaf),attr(raw=b'\0a\0b\0',lid=L)),*C),safe(shroud(p8(k),attr(raw=b'\0a\0b\0',lid=L)))))
w('fn_bidi',pfx(safe(certbag(d(leaf),attr(fn='a\u202eevil\u2066x',lid=L)),*C),safe(shroud(p8(k),attr(fn='a\u202eevil\u2066x',lid=L)))))
w('fn_two_bidi',pfx(safe(certbag(d(leaf),attr(fn='a\u202eevil',lid=L)),certbag(d(leaf2),attr(fn='b\u200fx\0y',lid=b'2')),*C),safe(shroud(p8(k),attr(fn='a\u202eevil',lid=L)),shroud(p8(k2),attr(fn='b\u200fx\0y',lid=b'2')))))
w('fn_nul',pfx(safe(certbag(d(leaf),attr(fn='a\0b',lid=L)),*C),safe(shroud(p8(k),attr(fn='a\0b',lid=L)))))
w('key_only',pfx(safe(shroud(p8(k),attr(lid=L)))))
w('cert_only',pfx(safe(certbag(d(leaf)),*C)))
def simple(n,kk,crt,extra=C,raw8=None): w(n,pfx(safe(certbag(crt if isinstance(crt,bytes) else d(crt),attr(lid=L)),*extra),safe(shroud(raw8 or p8(kk),attr(lid=L)))))
dk=dsa.generate_private_key(2048); simple('dsa2048',dk,cert('dsa',dk,'inter',ik))
xk=x25519.X25519PrivateKey.generate(); simple('x25519',xk,cert('x25519',None,'inter',ik,pub=xk.public_key()))
simple('serial_huge',k,cert('leaf',k,'inter',ik,serial=(1<<159)-1))
simple('year_9999',k,cert('leaf',k,'inter',ik,na=datetime.datetime(9999,12,31,23,59,59)))
simple('year_1950',k,cert('leaf',k,'inter',ik,nb=datetime.datetime(1950,1,1)))
simple('expired_1970',k,cert('leaf',k,'inter',ik,nb=datetime.datetime(1950,1,1),na=datetime.datetime(1970,1,1)))
def patch_sign(tbs_edit,crt,sk):
    # edit the TBS bytes and sign anew
    from cryptography.hazmat.primitives.asymmetric import ec as _e
    t=tbs_edit(crt.tbs_certificate_bytes); s=sk.sign(t,_e.ECDSA(hashes.SHA256()))
    return SEQ(t,SEQ(OID('1.2.840.10045.4.3.2')),T(3,b'\0'+s))
c=cert('leaf',k,'inter',ik,serial=0x7abbccddeeff0011)
simple('serial_negative',k,patch_sign(lambda t:t.replace(bytes.fromhex('02087abbccddeeff0011'),bytes.fromhex('0208fabbccddeeff0011'),1),c,ik))
c=cert('leaf',k,'inter',ik,serial=0x55)
def zero(t): return t.replace(b'\x02\x01\x55',b'\x02\x01\x00',1)
simple('serial_zero',k,patch_sign(zero,c,ik))
c=cert('leaf',k,'inter',ik,serial=(0x41<<(8*19))|5)
def longser(t):
    i=t.index(b'\x02\x14\x41'); body=t[t.index(b'\xa0'):]
    j=body.index(b'\x02\x14\x41'); ser=T(2,b'\x41'*40); return SEQ(body[:j]+ser+body[j+22:])
simple('serial_40_bytes',k,patch_sign(longser,c,ik))
simple('cn_bidi',k,cert('gw\u202eelpmaxe.live',k,'inter',ik))
simple('cn_escape',k,cert('a\x1b[2Jb\x07\rOK',k,'inter',ik))
c=cert('leaf',k,'inter',ik,san=['gw.exampleXevil'])
simple('san_nul',k,patch_sign(lambda t:t.replace(b'gw.exampleXevil',b'gw.example\0evil',1),c,ik))
c=cert('leafXnul',k,'inter',ik)
simple('cn_nul',k,patch_sign(lambda t:t.replace(b'leafXnul',b'leaf\0nul',1),c,ik))
c=cert('leaf',k,'inter',ik,san=['gw.exampleXXXevil'])
simple('san_bidi',k,patch_sign(lambda t:t.replace(b'gw.exampleXXX',b'gw.example\xe2\x80\xae',1),c,ik))
simple('san_escape',k,patch_sign(lambda t:t.replace(b'gw.exampleXXX',b'gw.exampl\x1b[2J',1),c,ik))
# 20 deep
pk=rk; pn='root'; chain=[root]
for i in range(18):
    nk=ek(); cc=cert('i%d'%i,nk,pn,pk,True); chain.append(cc); pk=nk; pn='i%d'%i
simple('deep_20',k,cert('leaf',k,pn,pk),[certbag(d(x)) for x in chain])
pk=rk; pn='root'; chain=[root]
for i in range(7):
    nk=ek(); cc=cert('i%d'%i,nk,pn,pk,True); chain.append(cc); pk=nk; pn='i%d'%i
simple('deep_9',k,cert('leaf',k,pn,pk),[certbag(d(x)) for x in chain])
# cross-signed loop a<->b with no root
ak,bk=ek(),ek(); a_b=cert('A',ak,'B',bk,True); b_a=cert('B',bk,'A',ak,True)
simple('loop',k,cert('leaf',k,'A',ak),[certbag(d(a_b)),certbag(d(b_a))])
a_a=cert('A',ak,'A',ak,True)
simple('loop_with_root',k,cert('leaf',k,'A',ak),[certbag(d(a_b)),certbag(d(b_a)),certbag(d(a_a))])
# leaf signed by itself in chain twice
ss=cert('self',k,'self',k); simple('selfsigned_twice',k,ss,[certbag(d(ss))])
# compressed points: key pub omitted & compressed cert SPKI
pub=k.public_key(); unc=pub.public_bytes(S.Encoding.X962,S.PublicFormat.UncompressedPoint); cmp_=pub.public_bytes(S.Encoding.X962,S.PublicFormat.CompressedPoint)
spki_c=SEQ(SEQ(OID('1.2.840.10045.2.1'),OID('1.2.840.10045.3.1.7')),T(3,b'\0'+cmp_)); spki_u=pub.public_bytes(S.Encoding.DER,S.PublicFormat.SubjectPublicKeyInfo)
def rebuild(t):
    body=t[4:] if t[1]==0x82 else t[3:]
    return SEQ(body.replace(spki_u,spki_c))
comp=patch_sign(rebuild,cert('comp',k,'inter',ik),ik)
simple('compressed_cert',k,comp)
raw=k.private_numbers().private_value.to_bytes(32,'big')
simple('compressed_key',k,leaf,raw8=SEQ(INT(0),SEQ(OID('1.2.840.10045.2.1'),OID('1.2.840.10045.3.1.7')),OCT(SEQ(INT(1),OCT(raw),T(0xa1,T(3,b'\0'+cmp_))))))
simple('key_no_public',k,leaf,raw8=SEQ(INT(0),SEQ(OID('1.2.840.10045.2.1'),OID('1.2.840.10045.3.1.7')),OCT(SEQ(INT(1),OCT(raw)))))
simple('key_wrong_public',k,leaf,raw8=SEQ(INT(0),SEQ(OID('1.2.840.10045.2.1'),OID('1.2.840.10045.3.1.7')),OCT(SEQ(INT(1),OCT(raw),T(0xa1,T(3,b'\0'+k2.public_key().public_bytes(S.Encoding.X962,S.PublicFormat.UncompressedPoint)))))))
simple('cert_not_mine',k2,leaf)
w('key_twice',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=L)),shroud(p8(k),attr(lid=L)))))
w('leaf_twice',pfx(safe(certbag(d(leaf),attr(lid=L)),certbag(d(leaf)),*C),safe(shroud(p8(k),attr(lid=L)))))
w('nested_safe',pfx(safe(bag('6',SEQ(certbag(d(leaf)),*C)),shroud(p8(k)))))
w('nested_deep',pfx(safe(certbag(d(leaf)),shroud(p8(k)),__import__('functools').reduce(lambda a,_:bag('6',SEQ(a)),range(200),certbag(d(inter))))))
w('sdsi_bag',pfx(safe(bag('3',SEQ(OID('1.2.840.113549.1.9.22.2'),T(0xa0,T(0x16,b'c2RzaQ==')))),certbag(d(leaf)),*C),safe(shroud(p8(k)))))
w('unknown_bag',pfx(safe(SEQ(OID('1.3.6.1.4.1.99999.7'),T(0xa0,OCT(b'x'))),certbag(d(leaf)),*C),safe(shroud(p8(k)))))
w('garbage_cert',pfx(safe(certbag(b'\x30\x03\x02\x01\x05'),certbag(d(leaf)),*C),safe(shroud(p8(k)))))
open('leaf.pem','wb').write(leaf.public_bytes(S.Encoding.PEM))
open('chain.pem','wb').write(inter.public_bytes(S.Encoding.PEM)+root.public_bytes(S.Encoding.PEM))
open('k.pem','wb').write(k.private_bytes(S.Encoding.PEM,S.PrivateFormat.PKCS8,S.NoEncryption()))
def ossl(n,*a): subprocess.run(['openssl','pkcs12','-export','-inkey','k.pem','-in','leaf.pem','-certfile','chain.pem','-passout','pass:'+P,'-out',out+'/odd-'+n+'.p12',*a],check=True)
ossl('mix-rc2-aes','-legacy','-certpbe','PBE-SHA1-RC2-40','-keypbe','AES-256-CBC','-macalg','sha512')
ossl('mix-aes-3des','-legacy','-certpbe','AES-128-CBC','-keypbe','PBE-SHA1-3DES','-macalg','sha1')
ossl('mac-blake2','-macalg','blake2b512')
ossl('mac-sm3','-macalg','sm3')
ossl('md5-des','-legacy','-certpbe','PBE-MD5-DES','-keypbe','PBE-MD5-DES')
ossl('all-plain','-certpbe','NONE','-keypbe','NONE')
def keytool(store,*a): subprocess.run(['keytool',*a,'-storetype','PKCS12','-keystore',out+'/odd-'+store+'.p12','-storepass',P],check=True,stderr=subprocess.DEVNULL)
for i in '123': keytool('java-many','-genkeypair','-alias','e'+i,'-keyalg','EC','-groupname','secp256r1','-dname','CN=java'+i,'-ext','san=dns:gw.example','-validity','8000')
keytool('java-many','-importcert','-noprompt','-alias','trusted','-file','chain.pem')
keytool('java-secret','-genseckey','-alias','aes','-keyalg','AES','-keysize','256')
keytool('java-secret','-genkeypair','-alias','e1','-keyalg','EC','-groupname','secp256r1','-dname','CN=java','-ext','san=dns:gw.example','-validity','8000')
keytool('java-trust','-importcert','-noprompt','-alias','trusted','-file','leaf.pem')
# PKCS#8 of the second version (RFC 5958) with the public key behind, as Bouncy Castle writes it
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.ciphers import Cipher,algorithms,modes
def shroud_raw(b,at=b''):
    iv=os.urandom(16); key=hashlib.pbkdf2_hmac('sha256',P.encode(),b'saltsalt',2000,32)
    e=Cipher(algorithms.AES(key),modes.CBC(iv)).encryptor(); n=16-len(b)%16; ct=e.update(b+bytes([n])*n)+e.finalize()
    kdf_=SEQ(OID('1.2.840.113549.1.5.12'),SEQ(OCT(b'saltsalt'),INT(2000),SEQ(OID('1.2.840.113549.2.9'),T(5))))
    return bag('2',SEQ(SEQ(OID('1.2.840.113549.1.5.13'),SEQ(kdf_,SEQ(OID('2.16.840.1.101.3.4.1.42'),OCT(iv)))),OCT(ct)),at)
edk=ed25519.Ed25519PrivateKey.generate(); edc=cert('leaf',None,'inter',ik,pub=edk.public_key())
ed8=SEQ(INT(1),SEQ(OID('1.3.101.112')),OCT(OCT(edk.private_bytes(S.Encoding.Raw,S.PrivateFormat.Raw,S.NoEncryption()))),T(0x81,b'\0'+edk.public_key().public_bytes(S.Encoding.Raw,S.PublicFormat.Raw)))
w('pkcs8-v2',pfx(safe(certbag(d(edc),attr(lid=L)),*C),safe(shroud_raw(ed8,attr(lid=L)))))
w('pkcs8-v2-plain',pfx(safe(certbag(d(edc),attr(lid=L)),*C),safe(keybag(ed8,attr(lid=L)))))
pem=lambda c:c.public_bytes(S.Encoding.PEM)
def kpem(b,label='PRIVATE KEY'):
    import base64
    return b'-----BEGIN '+label.encode()+b'-----\n'+base64.encodebytes(b)+b'-----END '+label.encode()+b'-----\n'
w('pem-pkcs8-v2',kpem(ed8)+pem(edc)+pem(inter)+pem(root))
# dates
two=T(0x30,T(0x17,b'260101000000Z'),T(0x17,b'491231000000Z'))
dated=lambda nb,na:patch_sign(lambda t:SEQ((t[4:] if t[1]==0x82 else t[3:]).replace(two,T(0x30,nb,na),1)),leaf,ik)
simple('date-no-seconds',k,dated(T(0x17,b'2601010000Z'),T(0x17,b'491231000000Z')))
simple('date-offset',k,dated(T(0x17,b'260101000000+0100'),T(0x17,b'491231000000Z')))
# who has the issuer's name did not sign
spoilt=lambda c:d(c)[:-5]+bytes([d(c)[-5]^1])+d(c)[-4:]
simple('leaf-spoilt',k,spoilt(leaf)); simple('issuer-spoilt',k,leaf,[certbag(spoilt(inter)),C[1]])
w('two-no-names',pfx(safe(certbag(d(leaf)),certbag(d(leaf2)),*C),safe(shroud(p8(k)),shroud(p8(k2)))))
subprocess.run(['openssl','cms','-sign','-binary','-nodetach','-in','leaf.pem','-signer','leaf.pem','-inkey','k.pem','-outform','DER','-out','signed.der'],check=True)
w('signed',SEQ(INT(3),open('signed.der','rb').read()))
# what is no PKCS#12 at all
w('der-key',p8(k)); w('der-key-sec1',k.private_bytes(S.Encoding.DER,S.PrivateFormat.TraditionalOpenSSL,S.NoEncryption()))
w('der-key-encrypted',k.private_bytes(S.Encoding.DER,S.PrivateFormat.PKCS8,S.BestAvailableEncryption(P.encode())))
w('der-request',x509.CertificateSigningRequestBuilder().subject_name(name('leaf')).sign(k,hashes.SHA256()).public_bytes(S.Encoding.DER))
full=k.private_bytes(S.Encoding.PEM,S.PrivateFormat.PKCS8,S.NoEncryption())+pem(leaf)+pem(inter)+pem(root)
import base64
w('pem-base64',base64.encodebytes(full)); w('pem-dashes',full.replace(b'-----','—'.encode()*5)); w('pem-doubled',full.replace(b'\n',b'\r\r\n'))
sec1=subprocess.run(['openssl','ec','-in','k.pem','-aes256','-passout','pass:'+P],stdout=subprocess.PIPE,check=True).stdout
w('pem-doubled-sec1',(sec1+pem(leaf)+pem(inter)+pem(root)).replace(b'\n',b'\n\n'))
w('pem-pgp',b'-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n')
# right, and not written so by any of the tools above
w('nested-both',pfx(safe(bag('6',SEQ(bag('6',SEQ(certbag(d(leaf),attr(lid=L)))),*C)),bag('6',SEQ(shroud(p8(k),attr(lid=L)))))))
w('keys-one-lid',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k2),attr(lid=L)),shroud(p8(k),attr(lid=L)))))
w('attr-unknown',pfx(safe(certbag(d(leaf),attr(lid=L,extra=SEQ(OID('1.3.6.1.4.1.99999.1'),SET(OCT(b'abc'),INT(7)))+SEQ(OID('1.2.3.4.5'),SET()))),*C),safe(shroud(p8(k),attr(lid=L)))))
w('fn-utf8string',pfx(safe(certbag(d(leaf),attr(lid=L,extra=SEQ(OID('1.2.840.113549.1.9.20'),SET(T(0x0c,'ключ'.encode()))))),*C),safe(shroud(p8(k),attr(lid=L)))))
def ber(b):
    o=b'';i=0
    while i<len(b):
        t=b[i]; l=b[i+1]; h=2
        if l&0x80: n=l&0x7f; l=int.from_bytes(b[i+2:i+2+n],'big'); h+=n
        v=b[i+h:i+h+l]
        o+=I(t,ber(v)) if t in(0x30,0xa0) else I(0x24,*[OCT(v[j:j+130]) for j in range(0,l,130)]) if t==4 and l>200 else b[i:i+h+l]
        i+=h+l
    return o
w('ber-throughout',ber(good))
def key_by(n,*a): w(n,pfx(safe(certbag(d(leaf)),*C),safe(bag('2',subprocess.run(['openssl','pkcs8','-topk8','-in','k.pem','-outform','DER','-passout','pass:'+P,*a],stdout=subprocess.PIPE,check=True).stdout))))
key_by('scrypt','-scrypt'); key_by('prf-sha512-224','-v2','aes-192-cbc','-v2prf','hmacWithSHA512-224')
ossl('rc4-40','-legacy','-certpbe','PBE-SHA1-RC4-40','-keypbe','PBE-SHA1-2DES','-macalg','sha1'); ossl('camellia','-certpbe','CAMELLIA-128-CBC','-keypbe','CAMELLIA-256-CBC','-macalg','sha512-256')
# armour beside which something else stands, and kinds of DER that look like others
def block(label,b): return b'-----BEGIN '+label+b'-----\n'+base64.encodebytes(b)+b'-----END '+label+b'-----\n'
w('armour-beside',block(b'PKCS12',good)+pem(root)); w('armour-comment',b'# with its PRIVATE KEY and BEGIN CERTIFICATE\n'+block(b'PKCS12',good))
w('der-key-v2',ed8)
c=cert('leaf',k,'inter',ik,serial=0x55); t=c.tbs_certificate_bytes; ext=t.rindex(c.public_key().public_bytes(S.Encoding.DER,S.PublicFormat.SubjectPublicKeyInfo))+len(spki_u)
w('der-v1-serial-zero',patch_sign(lambda t:SEQ((t[:ext][4:] if t[1]==0x82 else t[:ext][3:]).replace(bytes.fromhex('a003020102020155'),bytes.fromhex('020100'),1)),c,ik))
weak=rsa.generate_private_key(65537,1024); c=cert('leaf',weak,'inter',ik)
simple('date-weak',weak,patch_sign(lambda t:SEQ((t[4:] if t[1]==0x82 else t[3:]).replace(two,T(0x30,T(0x17,b'2601010000Z'),T(0x17,b'491231000000Z')),1)),c,ik))
# a count of rounds that is none, an IV of another cipher's size, names of another type
w('mac-no-rounds',pfx(safe(certbag(d(leaf),attr(lid=L)),*C),safe(shroud(p8(k),attr(lid=L))),it=0))
def shroud_iv(b,n,rounds=2000):
    kdf_=SEQ(OID('1.2.840.113549.1.5.12'),SEQ(OCT(b'saltsalt'),INT(rounds),SEQ(OID('1.2.840.113549.2.9'),T(5))))
    return bag('2',SEQ(SEQ(OID('1.2.840.113549.1.5.13'),SEQ(kdf_,SEQ(OID('2.16.840.1.101.3.4.1.42'),OCT(b'i'*n)))),OCT(b'c'*160)))
w('iv-short',pfx(safe(certbag(d(leaf)),*C),safe(shroud_iv(p8(k),8))))
w('key-no-rounds',pfx(safe(certbag(d(leaf)),*C),safe(shroud_iv(p8(k),16,0))))
named=lambda s,i:attr(lid=i,extra=SEQ(OID('1.2.840.113549.1.9.20'),SET(T(0x0c,s.encode()))))
w('fn-two-utf8',pfx(safe(certbag(d(leaf),named('erster',b'1')),certbag(d(leaf2),named('ключ',b'2')),*C),safe(shroud(p8(k),named('erster',b'1')),shroud(p8(k2),named('ключ',b'2')))))
# as ACME clients, HAProxy and others put PEM together; keys that few have
key_pem=lambda k,f=S.PrivateFormat.PKCS8: k.private_bytes(S.Encoding.PEM,f,S.NoEncryption())
rk2=ek(); root_by2=cert('root',None,'root2',rk2,True,pub=rk.public_key())
w('pem-acme-sh',subprocess.run(['openssl','ecparam','-name','prime256v1'],stdout=subprocess.PIPE,check=True).stdout+key_pem(k,S.PrivateFormat.TraditionalOpenSSL)+pem(leaf)+pem(inter)+pem(root))
w('pem-cross-signed',pem(leaf)+pem(inter)+pem(root_by2)+key_pem(k))
w('pem-haproxy',pem(leaf)+key_pem(k)+pem(inter)+block(b'DH PARAMETERS',SEQ(INT(23),INT(5)))+pem(root))
w('pem-nul',b'\0'.join([pem(leaf),pem(inter),pem(root),key_pem(k),b'']))
w('pem-two-leaves',pem(cert('leaf',k,'inter',ik,na=datetime.datetime(2028,1,1)))+pem(leaf)+pem(inter)+pem(root)+key_pem(k))
w('pem-explicit-key',pem(leaf)+pem(inter)+pem(root)+subprocess.run(['openssl','ec','-in','k.pem','-param_enc','explicit'],stdout=subprocess.PIPE,check=True).stdout)
subprocess.run(['openssl','genrsa','-primes','3','-out','mp.pem','2048'],check=True,stderr=subprocess.DEVNULL)
mp=S.load_pem_public_key(subprocess.run(['openssl','pkey','-in','mp.pem','-pubout'],stdout=subprocess.PIPE,check=True).stdout)
w('pem-three-primes',pem(cert('leaf',None,'inter',ik,pub=mp))+pem(inter)+pem(root)+open('mp.pem','rb').read())
from cryptography.hazmat.primitives.asymmetric import ed448
ek4=ed448.Ed448PrivateKey.generate(); root4=cert('root4',ek4,'root4',ek4,True,alg=None)
w('pem-ed448-root',pem(cert('leaf',k,'root4',ek4,alg=None))+pem(root4)+key_pem(k))
# 16384 bits without a search: the primes of RFC 3526 section 7 and RFC 7919 appendix A.5
def scaled(bits,f): return f(bits+64)>>64
def euler(p):
    s=0;t=1<<p;n=1
    while t: s+=t;t//=n;n+=1
    return s
def pi(p):
    def atan(x):
        t=(1<<p)//x;s=t;n=1
        while t: t//=x*x;s+=(-1)**n*(t//(2*n+1));n+=1
        return s
    return 4*(4*atan(5)-atan(239))
P_=2**8192-2**8128-1+2**64*(scaled(8062,pi)+4743158); Q_=2**8192-2**8128-1+2**64*(scaled(8062,euler)+10965728)
D_=pow(65537,-1,(P_-1)*(Q_-1)); big=rsa.RSAPrivateNumbers(P_,Q_,D_,D_%(P_-1),D_%(Q_-1),rsa.rsa_crt_iqmp(P_,Q_),rsa.RSAPublicNumbers(65537,P_*Q_)).private_key(unsafe_skip_rsa_key_validation=True)
w('pem-rsa-16384',pem(cert('leaf',None,'inter',ik,pub=big.public_key()))+pem(inter)+pem(root)+key_pem(big))
# what is no certificate at all
import gzip,io,zipfile
z=io.BytesIO(); zf=zipfile.ZipFile(z,'w'); zf.writestr('gw.p12',good); zf.close(); w('zip',z.getvalue())
w('gzip',gzip.compress(pem(leaf))); w('web-page',b'<!doctype html><title>404</title>\n')
